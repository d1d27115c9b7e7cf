//! Tables, views and their columns.

use super::kind::Kind;

pub(super) const KINDS: &[Kind] = &[
    Kind {
        name: "schema",
        covers: &["pg_namespace"],
        since: 0,
        query: "select quote_ident(n.nspname), '' from pg_namespace n where {user} and {own:pg_namespace:n.oid}",
    },
    Kind {
        name: "table",
        covers: &["pg_class", "pg_partitioned_table", "pg_foreign_table"],
        since: 0,
        query: "
            select format('%I.%I', n.nspname, c.relname), concat_ws(' ',
                case c.relkind when 'r' then 'table' when 'p' then 'partitioned table' when 'm' then 'materialized view'
                    when 'v' then 'view' when 'f' then 'foreign table' end,
                case c.relpersistence when 'u' then 'unlogged' end,
                'of ' || nullif(c.reloftype, 0)::regtype,
                case when c.relkind = 'p' then 'by ' || pg_get_partkeydef(c.oid) end,
                case when c.relispartition then format('partition of %s %s',
                    (select inhparent::regclass from pg_inherits where inhrelid = c.oid), pg_get_expr(c.relpartbound, c.oid)) end,
                'using ' || (select amname from pg_am where oid = c.relam and amname <> 'heap'),
                'server ' || (select format('%I options (%s)', s.srvname, {masked:f.ftoptions}) from pg_foreign_table f
                    join pg_foreign_server s on s.oid = f.ftserver where f.ftrelid = c.oid),
                case when c.relrowsecurity then 'row security' end,
                case when c.relforcerowsecurity then 'forced' end,
                case c.relreplident when 'f' then 'replica identity full' when 'n' then 'replica identity nothing' end,
                case when c.relkind = 'm' and not c.relispopulated then 'not populated' end,
                {sorted:c.reloptions}, 'toast ' || (select {sorted:t.reloptions} from pg_class t where t.oid = c.reltoastrelid))
            from pg_class c join pg_namespace n on n.oid = c.relnamespace
            where c.relkind in ('r', 'p', 'm', 'v', 'f') and {user} and {own:pg_class:c.oid}",
    },
    Kind {
        name: "inheritance",
        covers: &["pg_inherits"],
        since: 0,
        query: "
            select format('%I.%I', n.nspname, c.relname), string_agg(i.inhparent::regclass::text, ', ' order by i.inhseqno)
            from pg_inherits i join pg_class c on c.oid = i.inhrelid join pg_namespace n on n.oid = c.relnamespace
            where not c.relispartition and c.relkind in ('r', 'f') and {user} and {own:pg_class:c.oid} group by 1",
    },
    Kind {
        name: "column",
        covers: &["pg_attribute"],
        since: 0,
        query: "
            select format('%I.%I.%I', n.nspname, c.relname, a.attname), concat_ws(' ', format_type(a.atttypid, a.atttypmod),
                case when a.attnotnull then 'not null' end,
                case when a.attcollation <> t.typcollation then 'collate ' || a.attcollation::regcollation end,
                case a.attidentity when 'a' then 'identity always' when 'd' then 'identity by default' end,
                'options (' || {masked:a.attfdwoptions} || ')')
            from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
            join pg_type t on t.oid = a.atttypid
            where c.relkind in ('r', 'p', 'm', 'v', 'f') and a.attnum > 0 and not a.attisdropped
              and {user} and {own:pg_class:c.oid}",
    },
    Kind {
        name: "default",
        covers: &["pg_attrdef"],
        since: 0,
        query: "
            select format('%I.%I.%I', n.nspname, c.relname, a.attname), case a.attgenerated
                when 's' then format('generated always as (%s) stored', pg_get_expr(d.adbin, d.adrelid))
                when 'v' then format('generated always as (%s) virtual', pg_get_expr(d.adbin, d.adrelid))
                else 'default ' || pg_get_expr(d.adbin, d.adrelid) end
            from pg_attrdef d join pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum
            join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
            where {user} and {own:pg_class:c.oid}",
    },
    Kind {
        // Only what differs from the defaults of the type and the server; indexes have these options too.
        // Newer minor versions add an internal option (`pg_attver`), which pg_dump leaves out as well.
        name: "column storage",
        covers: &["pg_attribute"],
        since: 0,
        query: "
            select * from (
                select format('%I.%I.%I', n.nspname, c.relname, a.attname), concat_ws(' ',
                    case when a.attstorage <> t.typstorage and c.relkind not in ('i', 'I') then case a.attstorage when 'p' then 'plain' when 'm' then 'main'
                        when 'e' then 'external' when 'x' then 'extended' end end,
                    {since 14: case a.attcompression when 'p' then 'compression pglz' when 'l' then 'compression lz4' end},
                    'statistics ' || case when a.attstattarget >= 0 then a.attstattarget end,
                    {sorted:array(select o from unnest(a.attoptions) o where o !~ '^pg_')}) as definition
                from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
                join pg_type t on t.oid = a.atttypid
                where c.relkind in ('r', 'p', 'm', 'f', 'i', 'I') and a.attnum > 0 and not a.attisdropped
                  and {user} and {own:pg_class:c.oid}) x where definition <> ''",
    },
    Kind {
        name: "view",
        covers: &["pg_rewrite"],
        since: 0,
        query: "
            select format('%I.%I', n.nspname, c.relname), pg_get_viewdef(c.oid)
            from pg_class c join pg_namespace n on n.oid = c.relnamespace
            where c.relkind in ('v', 'm') and {user} and {own:pg_class:c.oid}",
    },
    Kind {
        name: "rule",
        covers: &["pg_rewrite"],
        since: 0,
        query: "
            select format('%I.%I.%I', n.nspname, c.relname, r.rulename), pg_get_ruledef(r.oid) || case r.ev_enabled
                when 'D' then ' disabled' when 'R' then ' on replica' when 'A' then ' always' else '' end
            from pg_rewrite r join pg_class c on c.oid = r.ev_class join pg_namespace n on n.oid = c.relnamespace
            where r.rulename <> '_RETURN' and {user} and {own:pg_class:c.oid}",
    },
    Kind {
        name: "sequence",
        covers: &["pg_sequence"],
        since: 0,
        query: "
            select format('%I.%I', n.nspname, c.relname), concat_ws(' ', case c.relpersistence when 'u' then 'unlogged' end,
                format('as %s start %s min %s max %s increment %s cache %s', format_type(s.seqtypid, null), s.seqstart,
                    s.seqmin, s.seqmax, s.seqincrement, s.seqcache),
                case when s.seqcycle then 'cycle' end,
                'owned by ' || (select format('%s.%I', d.refobjid::regclass, a.attname)
                    from pg_depend d join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
                    where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype in ('a', 'i')
                      and d.refclassid = 'pg_class'::regclass))
            from pg_sequence s join pg_class c on c.oid = s.seqrelid join pg_namespace n on n.oid = c.relnamespace
            where {user} and {own:pg_class:c.oid}",
    },
    Kind {
        name: "tablespace of",
        covers: &["pg_class"],
        since: 0,
        query: "
            select format('%I.%I', n.nspname, c.relname), quote_ident(t.spcname)
            from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_tablespace t on t.oid = c.reltablespace
            where {user} and {own:pg_class:c.oid}",
    },
    Kind {
        name: "large object",
        covers: &["pg_largeobject_metadata"],
        since: 0,
        query: "
            select m.oid::text, format('owner %s, %s', pg_get_userbyid(m.lomowner), coalesce({sorted:m.lomacl}, 'no grants'))
            from pg_largeobject_metadata m",
    },
];
