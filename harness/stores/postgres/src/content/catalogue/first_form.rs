//! The queries of the first catalogue form, unchanged: a restored server is compared with an old manifest in
//! that form, word for word.

/// Leaves out schemas that belong to the server.
const USER_SCHEMA: &str = "n.nspname <> 'information_schema' and n.nspname !~ '^pg_' ";

/// Leaves out objects that an extension created. `$class` and `$oid` name the object.
const NOT_OF_EXTENSION: &str = "not exists (select from pg_depend d where d.classid = '$class'::regclass \
     and d.objid = $oid and d.deptype = 'e') ";

/// The entries of an access control list, in an order that does not depend on the order of the grants.
const SORTED_ACL: &str = "(select string_agg(item::text, ',' order by item::text) from unnest($acl) item)";

/// Kind and query of the objects of a database. `{user}`, `{own:class:oid}` and `{acl:list}` are replaced by
/// the expressions above.
pub(super) const DATABASE_QUERIES: &[(&str, &str)] = &[
    (
        "schema",
        "select quote_ident(n.nspname), '' from pg_namespace n where {user} and {own:pg_namespace:n.oid}",
    ),
    (
        "extension",
        "select quote_ident(e.extname), format('version %s in %I', e.extversion, n.nspname) \
        from pg_extension e join pg_namespace n on n.oid = e.extnamespace",
    ),
    (
        "table",
        "select format('%I.%I', n.nspname, c.relname), concat_ws(' ', \
            case c.relkind when 'r' then 'table' when 'p' then 'partitioned table' when 'm' then 'materialized view' \
                when 'v' then 'view' when 'f' then 'foreign table' else c.relkind::text end, \
            case c.relpersistence when 'u' then 'unlogged' end, \
            case when c.relkind = 'p' then 'by ' || pg_get_partkeydef(c.oid) end, \
            case when c.relispartition then format('partition of %s %s', \
                (select inhparent::regclass from pg_inherits where inhrelid = c.oid), \
                pg_get_expr(c.relpartbound, c.oid)) end, \
            case when c.relrowsecurity then 'row security' end, \
            case when c.relforcerowsecurity then 'forced' end, \
            case c.relreplident when 'f' then 'replica identity full' when 'n' then 'replica identity nothing' end, \
            case when c.relkind = 'm' and not c.relispopulated then 'not populated' end, \
            array_to_string(c.reloptions, ',')) \
        from pg_class c join pg_namespace n on n.oid = c.relnamespace \
        where c.relkind in ('r', 'p', 'm', 'v', 'f') and {user} and {own:pg_class:c.oid}",
    ),
    (
        "column",
        "select format('%I.%I.%I', n.nspname, c.relname, a.attname), concat_ws(' ', \
            format_type(a.atttypid, a.atttypmod), \
            case when a.attnotnull then 'not null' end, \
            case when a.attcollation <> t.typcollation then 'collate ' || a.attcollation::regcollation end, \
            case a.attidentity when 'a' then 'identity always' when 'd' then 'identity by default' end, \
            case when a.attgenerated = 's' then 'generated' end, \
            'default ' || pg_get_expr(ad.adbin, ad.adrelid)) \
        from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace \
        join pg_type t on t.oid = a.atttypid \
        left join pg_attrdef ad on ad.adrelid = a.attrelid and ad.adnum = a.attnum \
        where c.relkind in ('r', 'p', 'm', 'v', 'f') and a.attnum > 0 and not a.attisdropped \
          and {user} and {own:pg_class:c.oid}",
    ),
    (
        "constraint",
        "select case k.conrelid when 0 then format('%I.%I', n.nspname, k.conname) \
            else format('%I.%s.%I', n.nspname, quote_ident(c.relname), k.conname) end, pg_get_constraintdef(k.oid) \
        from pg_constraint k join pg_namespace n on n.oid = k.connamespace \
        left join pg_class c on c.oid = k.conrelid \
        where k.contype <> 't' and {user} and {own:pg_constraint:k.oid} \
          and (k.conrelid = 0 or {own:pg_class:c.oid})",
    ),
    (
        "index",
        "select format('%I.%I', n.nspname, i.relname), pg_get_indexdef(x.indexrelid) || \
            case when x.indisclustered then ' clustered' else '' end || \
            case when x.indisreplident then ' replica identity' else '' end \
        from pg_index x join pg_class i on i.oid = x.indexrelid join pg_class c on c.oid = x.indrelid \
        join pg_namespace n on n.oid = i.relnamespace \
        where {user} and {own:pg_class:c.oid} and {own:pg_class:i.oid}",
    ),
    (
        "valid index",
        "select format('%I.%I', n.nspname, i.relname), case when x.indisvalid and x.indisready \
            and x.indislive then 'valid' else 'invalid' end \
        from pg_index x join pg_class i on i.oid = x.indexrelid join pg_namespace n on n.oid = i.relnamespace \
        where {user} and {own:pg_class:i.oid}",
    ),
    (
        "trigger",
        "select format('%I.%I.%I', n.nspname, c.relname, g.tgname), pg_get_triggerdef(g.oid) || \
            case g.tgenabled when 'D' then ' disabled' when 'R' then ' on replica' when 'A' then ' always' else '' end \
        from pg_trigger g join pg_class c on c.oid = g.tgrelid join pg_namespace n on n.oid = c.relnamespace \
        where not g.tgisinternal and {user} and {own:pg_class:c.oid}",
    ),
    (
        "event trigger",
        "select quote_ident(e.evtname), format('on %s execute %s %s %s', e.evtevent, \
            e.evtfoid::regprocedure, e.evtenabled, e.evttags) from pg_event_trigger e \
        where {own:pg_event_trigger:e.oid}",
    ),
    (
        "policy",
        "select format('%I.%I.%I', schemaname, tablename, policyname), format('%s for %s to %s using %s \
            with check %s', permissive, cmd, roles, coalesce(qual, '-'), coalesce(with_check, '-')) from pg_policies",
    ),
    (
        "rule",
        "select format('%I.%I.%I', n.nspname, c.relname, r.rulename), pg_get_ruledef(r.oid) \
        from pg_rewrite r join pg_class c on c.oid = r.ev_class join pg_namespace n on n.oid = c.relnamespace \
        where r.rulename <> '_RETURN' and {user} and {own:pg_class:c.oid}",
    ),
    (
        "view",
        "select format('%I.%I', n.nspname, c.relname), pg_get_viewdef(c.oid) \
        from pg_class c join pg_namespace n on n.oid = c.relnamespace \
        where c.relkind in ('v', 'm') and {user} and {own:pg_class:c.oid}",
    ),
    (
        "function",
        "select format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)), \
            case when p.prokind = 'a' then 'aggregate ' || pg_get_function_result(p.oid) else pg_get_functiondef(p.oid) end \
        from pg_proc p join pg_namespace n on n.oid = p.pronamespace where {user} and {own:pg_proc:p.oid}",
    ),
    (
        "type",
        "select format('%I.%I', n.nspname, t.typname), case t.typtype \
            when 'e' then 'enum ' || (select string_agg(quote_literal(enumlabel), ', ' order by enumsortorder) \
                from pg_enum where enumtypid = t.oid) \
            when 'd' then format('domain %s%s%s', format_type(t.typbasetype, t.typtypmod), \
                case when t.typnotnull then ' not null' else '' end, ' default ' || t.typdefault) \
            when 'c' then 'composite ' || (select string_agg(format('%I %s', attname, \
                format_type(atttypid, atttypmod)), ', ' order by attnum) from pg_attribute \
                where attrelid = t.typrelid and attnum > 0 and not attisdropped) \
            when 'r' then 'range of ' || (select format_type(rngsubtype, null) from pg_range where rngtypid = t.oid) \
            else t.typtype::text end \
        from pg_type t join pg_namespace n on n.oid = t.typnamespace left join pg_class c on c.oid = t.typrelid \
        where t.typtype in ('e', 'd', 'c', 'r') and (c.oid is null or c.relkind = 'c') \
          and {user} and {own:pg_type:t.oid}",
    ),
    (
        "sequence",
        "select format('%I.%I', schemaname, sequencename), format('as %s start %s min %s max %s \
            increment %s cache %s%s owned by %s', data_type, start_value, min_value, max_value, increment_by, \
            cache_size, case when cycle then ' cycle' else '' end, (select format('%s.%I', d.refobjid::regclass, a.attname) \
                from pg_depend d join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid \
                where d.objid = format('%I.%I', schemaname, sequencename)::regclass and d.deptype in ('a', 'i') \
                  and d.classid = 'pg_class'::regclass and d.refclassid = 'pg_class'::regclass limit 1)) from pg_sequences",
    ),
    (
        "owner",
        "select format('%s %s', o.type, o.identity), pg_get_userbyid(x.owner) from ( \
            select 'pg_class'::regclass as class, c.oid, c.relowner as owner from pg_class c \
                join pg_namespace n on n.oid = c.relnamespace where c.relkind in ('r', 'p', 'm', 'v', 'f', 'S') and {user} \
            union all select 'pg_namespace'::regclass, n.oid, n.nspowner from pg_namespace n where {user} \
            union all select 'pg_proc'::regclass, p.oid, p.proowner from pg_proc p \
                join pg_namespace n on n.oid = p.pronamespace where {user} \
            union all select 'pg_type'::regclass, t.oid, t.typowner from pg_type t \
                join pg_namespace n on n.oid = t.typnamespace where t.typtype in ('e', 'd', 'r') and {user} \
        ) x, lateral pg_identify_object(x.class, x.oid, 0) o \
        where not exists (select from pg_depend d where d.classid = x.class and d.objid = x.oid and d.deptype = 'e')",
    ),
    (
        "grant",
        "select format('%s %s to %s', o.type, o.identity, case a.grantee when 0 then 'public' \
                else quote_ident(pg_get_userbyid(a.grantee)) end), \
            string_agg(a.privilege_type || case when a.is_grantable then ' with grant option' else '' end, ', ' \
                order by a.privilege_type) from ( \
            select 'pg_class'::regclass as class, c.oid, 0 as sub, c.relacl as acl from pg_class c \
                join pg_namespace n on n.oid = c.relnamespace where {user} \
            union all select 'pg_class'::regclass, c.oid, t.attnum, t.attacl from pg_attribute t \
                join pg_class c on c.oid = t.attrelid join pg_namespace n on n.oid = c.relnamespace \
                where t.attacl is not null and {user} \
            union all select 'pg_namespace'::regclass, n.oid, 0, n.nspacl from pg_namespace n where {user} \
            union all select 'pg_proc'::regclass, p.oid, 0, p.proacl from pg_proc p \
                join pg_namespace n on n.oid = p.pronamespace where {user} \
            union all select 'pg_type'::regclass, t.oid, 0, t.typacl from pg_type t \
                join pg_namespace n on n.oid = t.typnamespace where {user} \
            union all select 'pg_language'::regclass, l.oid, 0, l.lanacl from pg_language l \
        ) x, lateral aclexplode(x.acl) a, lateral pg_identify_object(x.class, x.oid, x.sub) o group by 1",
    ),
    (
        "default grant",
        "select format('%s in %s for %s to %s', d.defaclobjtype, coalesce(n.nspname, 'any schema'), \
            pg_get_userbyid(d.defaclrole), case a.grantee when 0 then 'public' else pg_get_userbyid(a.grantee) end), \
            string_agg(a.privilege_type, ', ' order by a.privilege_type) \
        from pg_default_acl d left join pg_namespace n on n.oid = d.defaclnamespace, lateral aclexplode(d.defaclacl) a group by 1",
    ),
    (
        "comment",
        "select format('%s %s', o.type, o.identity), d.description \
        from pg_description d, lateral pg_identify_object(d.classoid, d.objoid, d.objsubid) o \
        where d.objoid >= 16384 and o.identity is not null \
          and not exists (select from pg_depend e where e.classid = d.classoid and e.objid = d.objoid and e.deptype = 'e')",
    ),
    (
        "large object",
        "select m.oid::text, format('owner %s, %s', pg_get_userbyid(m.lomowner), coalesce({acl:m.lomacl}, 'no grants')) \
        from pg_largeobject_metadata m",
    ),
    (
        "statistics",
        "select format('%I.%I', n.nspname, s.stxname), pg_get_statisticsobjdef(s.oid) \
        from pg_statistic_ext s join pg_namespace n on n.oid = s.stxnamespace where {user}",
    ),
    (
        "publication",
        "select quote_ident(p.pubname), format('all %s, %s', p.puballtables, (select string_agg(format('%I.%I', \
            schemaname, tablename), ', ' order by schemaname, tablename) from pg_publication_tables t where t.pubname = p.pubname)) from pg_publication p",
    ),
];

/// Kind and query of the objects that belong to the cluster. Built-in roles are left out.
pub(super) const CLUSTER_QUERIES: &[(&str, &str)] = &[
    (
        "role",
        "select quote_ident(rolname), concat_ws(' ', case when rolsuper then 'superuser' end, \
            case when rolinherit then 'inherit' end, case when rolcreaterole then 'createrole' end, \
            case when rolcreatedb then 'createdb' end, case when rolcanlogin then 'login' end, \
            case when rolreplication then 'replication' end, case when rolbypassrls then 'bypassrls' end, \
            'limit ' || rolconnlimit, 'until ' || rolvaliduntil, 'password ' || \
            encode(sha256(convert_to(rolpassword, 'UTF8')), 'hex')) from pg_authid where rolname !~ '^pg_'",
    ),
    (
        "membership",
        "select format('%s in %s', m.member::regrole, m.roleid::regrole), \
            case when admin_option then 'with admin option' else '' end from pg_auth_members m where m.member >= 16384",
    ),
    (
        "database",
        "select quote_ident(datname), concat_ws(' ', pg_encoding_to_char(encoding), datcollate, datctype, \
            'owner ' || pg_get_userbyid(datdba), 'limit ' || datconnlimit, {acl:datacl}) \
        from pg_database where not datistemplate",
    ),
    (
        "setting",
        "select format('%s in %s', case s.setrole when 0 then 'every role' else pg_get_userbyid(s.setrole) end, \
            coalesce(d.datname, 'every database')), array_to_string(s.setconfig, ', ') \
        from pg_db_role_setting s left join pg_database d on d.oid = s.setdatabase",
    ),
    (
        "comment",
        "select format('%s %s', o.type, o.identity), d.description \
        from pg_shdescription d, lateral pg_identify_object(d.classoid, d.objoid, 0) o where d.objoid >= 16384",
    ),
    (
        "tablespace",
        "select quote_ident(spcname), pg_get_userbyid(spcowner) from pg_tablespace where spcname !~ '^pg_'",
    ),
];

/// Inserts the expressions that many queries share.
pub(super) fn expand(query: &str) -> String {
    let mut sql = query.replace("{user}", USER_SCHEMA);
    while let Some((before, rest)) = sql.split_once("{own:") {
        let Some((arguments, after)) = rest.split_once('}') else { break };
        let (class, oid) = arguments.split_once(':').unwrap_or((arguments, "oid"));
        let condition = NOT_OF_EXTENSION.replace("$class", class).replace("$oid", oid);
        sql = format!("{before}{condition}{after}");
    }
    while let Some((before, rest)) = sql.split_once("{acl:") {
        let Some((list, after)) = rest.split_once('}') else { break };
        sql = format!("{before}{}{after}", SORTED_ACL.replace("$acl", list));
    }
    sql
}
