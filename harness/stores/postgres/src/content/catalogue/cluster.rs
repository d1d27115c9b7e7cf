//! Objects that belong to no database.

use super::kind::Kind;

pub(super) const KINDS: &[Kind] = &[
    Kind {
        name: "role",
        covers: &["pg_authid"],
        since: 0,
        query: "
            select quote_ident(rolname), concat_ws(' ', case when rolsuper then 'superuser' end,
                case when rolinherit then 'inherit' end, case when rolcreaterole then 'createrole' end,
                case when rolcreatedb then 'createdb' end, case when rolcanlogin then 'login' end,
                case when rolreplication then 'replication' end, case when rolbypassrls then 'bypassrls' end,
                'limit ' || rolconnlimit, 'until ' || rolvaliduntil, 'password ' ||
                encode(sha256(convert_to(rolpassword, 'UTF8')), 'hex')) from pg_authid where rolname !~ '^pg_'",
    },
    Kind {
        name: "membership",
        covers: &["pg_auth_members"],
        since: 0,
        query: "
            select format('%s in %s', m.member::regrole, m.roleid::regrole), concat_ws(' ',
                case when bool_or(m.admin_option) then 'with admin option' end,
                {since 16: case when not bool_or(m.inherit_option) then 'without inherit' end},
                {since 16: case when not bool_or(m.set_option) then 'without set' end})
            from pg_auth_members m where m.member >= 16384 or m.roleid >= 16384 group by 1",
    },
    Kind {
        name: "database",
        covers: &["pg_database"],
        since: 0,
        query: "
            select quote_ident(d.datname), concat_ws(' ', pg_encoding_to_char(d.encoding), d.datcollate, d.datctype,
                'provider ' || coalesce(to_jsonb(d) ->> 'datlocprovider', 'c'),
                'locale ' || coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale'),
                'rules ' || (to_jsonb(d) ->> 'daticurules'), 'owner ' || pg_get_userbyid(d.datdba), 'limit ' || d.datconnlimit,
                case when d.datistemplate then 'template' end, case when not d.datallowconn then 'no connections' end)
            from pg_database d where d.datname not in ('template0', 'template1')",
    },
    Kind {
        name: "tablespace of database",
        covers: &["pg_database"],
        since: 0,
        query: "
            select quote_ident(d.datname), quote_ident(t.spcname) from pg_database d join pg_tablespace t on t.oid = d.dattablespace
            where t.spcname <> 'pg_default'",
    },
    Kind {
        name: "collation version of database",
        covers: &["pg_database"],
        since: 15,
        query: "
            select quote_ident(d.datname), pg_database_collation_actual_version(d.oid) from pg_database d
            where pg_database_collation_actual_version(d.oid) is not null and d.datname not in ('template0', 'template1')",
    },
    Kind {
        name: "grant",
        covers: &["pg_parameter_acl"],
        since: 0,
        query: "
            with objects(class, oid, sub, kind, owner, acl) as (
                select 'pg_database'::regclass, oid, 0, 'd', datdba, datacl from pg_database where datname not in ('template0', 'template1')
                union all select 'pg_tablespace'::regclass, oid, 0, 't', spcowner, spcacl from pg_tablespace
                {since 15: union all select 'pg_parameter_acl'::regclass, oid, 0, 'p', 10, paracl from pg_parameter_acl ;; }
            ) {grants: acldefault(x.kind::\"char\", x.owner)}",
    },
    Kind {
        name: "setting",
        covers: &["pg_db_role_setting"],
        since: 0,
        query: "
            select format('%s in %s', case s.setrole when 0 then 'every role' else quote_ident(pg_get_userbyid(s.setrole)) end,
                coalesce(quote_ident(d.datname), 'every database')), {sorted:s.setconfig}
            from pg_db_role_setting s left join pg_database d on d.oid = s.setdatabase",
    },
    Kind {
        name: "comment",
        covers: &["pg_shdescription"],
        since: 0,
        query: "
            select format('%s %s', o.type, o.identity), d.description
            from pg_shdescription d, lateral pg_identify_object(d.classoid, d.objoid, 0) o where d.objoid >= 16384",
    },
    Kind {
        name: "security label",
        covers: &["pg_shseclabel"],
        since: 0,
        query: "
            select format('%s %s for %s', o.type, o.identity, l.provider), l.label
            from pg_shseclabel l, lateral pg_identify_object(l.classoid, l.objoid, 0) o",
    },
    Kind {
        name: "tablespace",
        covers: &["pg_tablespace"],
        since: 0,
        query: "
            select quote_ident(spcname), concat_ws(' ', pg_get_userbyid(spcowner), {sorted:spcoptions})
            from pg_tablespace where spcname !~ '^pg_'",
    },
];
