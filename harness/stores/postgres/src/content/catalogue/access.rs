//! Owners, privileges and comments of objects.

use comeback_model::Catalogue;

use super::kind::Kind;

/// The kinds that a backup without owners does not bring.
const OF_OWNERS: [&str; 4] = ["owner", "grant", "grant on constructor", "default grant"];

/// Removes what a backup without owners does not bring.
pub(crate) fn remove_owners(catalogue: &mut Catalogue) {
    catalogue.objects.retain(|kind, _| !OF_OWNERS.contains(&&**kind));
}

pub(super) const KINDS: &[Kind] = &[
    Kind {
        name: "owner",
        covers: &[],
        since: 0,
        query: "
            select format('%s %s', o.type, o.identity), pg_get_userbyid(x.owner) from (
                select 'pg_class'::regclass as class, c.oid, c.relowner as owner from pg_class c
                    join pg_namespace n on n.oid = c.relnamespace where c.relkind in ('r', 'p', 'm', 'v', 'f', 'S') and {user}
                union all select 'pg_namespace'::regclass, n.oid, n.nspowner from pg_namespace n where {user}
                union all select 'pg_proc'::regclass, p.oid, p.proowner from pg_proc p
                    join pg_namespace n on n.oid = p.pronamespace where {user} and {free:pg_proc:p.oid}
                union all select 'pg_type'::regclass, t.oid, t.typowner from pg_type t
                    join pg_namespace n on n.oid = t.typnamespace left join pg_class c on c.oid = t.typrelid
                    where (t.typtype in ('e', 'd', 'r') or t.typtype = 'c' and c.relkind = 'c' or t.typtype = 'b'
                        and not exists (select from pg_type e where e.typarray = t.oid)) and {user}
                union all select 'pg_collation'::regclass, c.oid, c.collowner from pg_collation c
                    join pg_namespace n on n.oid = c.collnamespace where {user}
                union all select 'pg_conversion'::regclass, c.oid, c.conowner from pg_conversion c
                    join pg_namespace n on n.oid = c.connamespace where {user}
                union all select 'pg_operator'::regclass, p.oid, p.oprowner from pg_operator p
                    join pg_namespace n on n.oid = p.oprnamespace where {user}
                union all select 'pg_opclass'::regclass, c.oid, c.opcowner from pg_opclass c
                    join pg_namespace n on n.oid = c.opcnamespace where {user}
                union all select 'pg_opfamily'::regclass, f.oid, f.opfowner from pg_opfamily f
                    join pg_namespace n on n.oid = f.opfnamespace where {user}
                union all select 'pg_ts_dict'::regclass, d.oid, d.dictowner from pg_ts_dict d
                    join pg_namespace n on n.oid = d.dictnamespace where {user}
                union all select 'pg_ts_config'::regclass, c.oid, c.cfgowner from pg_ts_config c
                    join pg_namespace n on n.oid = c.cfgnamespace where {user}
                union all select 'pg_statistic_ext'::regclass, s.oid, s.stxowner from pg_statistic_ext s
                    join pg_namespace n on n.oid = s.stxnamespace where {user}
                union all select 'pg_foreign_data_wrapper'::regclass, oid, fdwowner from pg_foreign_data_wrapper
                union all select 'pg_foreign_server'::regclass, oid, srvowner from pg_foreign_server
                union all select 'pg_event_trigger'::regclass, oid, evtowner from pg_event_trigger
                union all select 'pg_publication'::regclass, oid, pubowner from pg_publication
                union all select 'pg_subscription'::regclass, oid, subowner from pg_subscription
                    where subdbid = (select oid from pg_database where datname = current_database())
                union all select 'pg_language'::regclass, oid, lanowner from pg_language where lanispl
            ) x, lateral pg_identify_object(x.class, x.oid, 0) o
            where not exists (select from pg_depend d where d.classid = x.class and d.objid = x.oid and d.deptype = 'e')",
    },
    Kind {
        name: "grant",
        covers: &["pg_init_privs"],
        since: 0,
        query: "
            with schemas as (select oid from pg_namespace where nspname <> 'information_schema' and nspname !~ '^pg_t(emp|oast)'),
            objects(class, oid, sub, kind, owner, acl) as (
                select 'pg_class'::regclass, oid, 0, case relkind when 'S' then 's' else 'r' end, relowner, relacl
                    from pg_class where relnamespace in (table schemas)
                union all select 'pg_class'::regclass, c.oid, t.attnum, 'c', c.relowner, t.attacl
                    from pg_attribute t join pg_class c on c.oid = t.attrelid
                    where t.attacl is not null and not t.attisdropped and c.relnamespace in (table schemas)
                union all select 'pg_namespace'::regclass, oid, 0, 'n', nspowner, nspacl from pg_namespace where oid in (table schemas)
                union all select 'pg_proc'::regclass, p.oid, 0, 'f', p.proowner, p.proacl from pg_proc p
                    where p.pronamespace in (table schemas) and {free:pg_proc:p.oid}
                union all select 'pg_type'::regclass, oid, 0, 'T', typowner, typacl from pg_type where typnamespace in (table schemas)
                union all select 'pg_language'::regclass, oid, 0, 'l', lanowner, lanacl from pg_language
                union all select 'pg_foreign_data_wrapper'::regclass, oid, 0, 'F', fdwowner, fdwacl from pg_foreign_data_wrapper
                union all select 'pg_foreign_server'::regclass, oid, 0, 'S', srvowner, srvacl from pg_foreign_server
            ) {grants: coalesce((select i.initprivs from pg_init_privs i where i.classoid = x.class and i.objoid = x.oid
                and i.objsubid = x.sub), acldefault(x.kind::\"char\", x.owner))}",
    },
    Kind {
        // A dump leaves them out.
        name: "grant on constructor",
        covers: &["pg_proc"],
        since: 0,
        query: "
            with objects(class, oid, sub, kind, owner, acl) as (
                select 'pg_proc'::regclass, p.oid, 0, 'f', p.proowner, p.proacl
                from pg_proc p join pg_namespace n on n.oid = p.pronamespace where not {free:pg_proc:p.oid} and {user} and {own:pg_proc:p.oid}
            ) {grants: acldefault(x.kind::\"char\", x.owner)}",
    },
    Kind {
        name: "default grant",
        covers: &["pg_default_acl"],
        since: 0,
        query: "
            select format('%s in %s for %s to %s', case d.defaclobjtype when 'r' then 'tables' when 'S' then 'sequences' when 'f' then 'functions'
                    when 'T' then 'types' when 'n' then 'schemas' when 'L' then 'large objects' end,
                coalesce(quote_ident(n.nspname), 'any schema'), quote_ident(pg_get_userbyid(d.defaclrole)),
                case g.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(g.grantee)) end), coalesce(g.held, 'none')
            from (select *, case when defaclnamespace = 0 then acldefault(case defaclobjtype when 'S' then 's' else defaclobjtype end::\"char\",
                    defaclrole) else acldefault('c', defaclrole) end as standard from pg_default_acl) d
            left join pg_namespace n on n.oid = d.defaclnamespace,
            lateral {held:d.defaclacl:d.standard} g",
    },
    Kind {
        name: "comment",
        covers: &["pg_description"],
        since: 0,
        query: "
            select format('%s %s', o.type, o.identity), d.description
            from pg_description d, lateral pg_identify_object(d.classoid, d.objoid, d.objsubid) o
            where (d.objoid >= 16384 or d.classoid = 'pg_namespace'::regclass
                and d.objoid = (select oid from pg_namespace where nspname = 'public'))
              and o.identity is not null and o.identity !~ '(^| on |for )pg_t(emp|oast)(_[0-9]+)?\\.'
              and not exists (select from pg_depend e where e.classid = d.classoid and e.objid = d.objoid and e.deptype = 'e')",
    },
    Kind {
        name: "security label",
        covers: &["pg_seclabel"],
        since: 0,
        query: "
            select format('%s %s for %s', o.type, o.identity, l.provider), l.label
            from pg_seclabel l, lateral pg_identify_object(l.classoid, l.objoid, l.objsubid) o where o.identity is not null",
    },
];
