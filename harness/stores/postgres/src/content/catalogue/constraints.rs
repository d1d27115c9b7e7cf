//! Constraints, indexes, triggers, policies.

use super::kind::Kind;

pub(super) const KINDS: &[Kind] = &[
    Kind {
        // Leaves out the foreign keys that PostgreSQL derives from one of a partitioned table: their names
        // change with a reload.
        name: "constraint",
        covers: &["pg_constraint"],
        since: 0,
        query: "
            select format('%I.%I.%I', n.nspname, c.relname, k.conname), pg_get_constraintdef(k.oid)
            from pg_constraint k join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace
            where k.contype <> 't' and not (k.contype = 'f' and k.conparentid <> 0)
              and {user} and {own:pg_class:c.oid} and {own:pg_constraint:k.oid}",
    },
    Kind {
        name: "inherited foreign key",
        covers: &["pg_constraint"],
        since: 0,
        query: "
            select format('%I.%I: %s', n.nspname, c.relname, pg_get_constraintdef(k.oid)), ''
            from pg_constraint k join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace
            where k.contype = 'f' and k.conparentid <> 0 and {user} and {own:pg_class:c.oid}",
    },
    Kind {
        // Foreign keys and deferrable keys: `disable trigger all` disables their triggers, on either table.
        name: "check of constraint",
        covers: &["pg_trigger"],
        since: 0,
        query: "
            select format('%I.%I.%s', n.nspname, c.relname,
                    case when k.contype = 'f' and k.conparentid <> 0 then pg_get_constraintdef(k.oid) else quote_ident(k.conname) end),
                string_agg(distinct case g.tgenabled when 'O' then 'on' when 'D' then 'disabled' when 'R' then 'on replica'
                    when 'A' then 'always' end, ', ')
            from pg_constraint k join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace
            join pg_trigger g on g.tgconstraint = k.oid and g.tgisinternal
            where k.contype <> 't' and {user} and {own:pg_class:c.oid} group by 1",
    },
    Kind {
        name: "index",
        covers: &["pg_index", "pg_inherits"],
        since: 0,
        query: "
            select format('%I.%I', n.nspname, i.relname), pg_get_indexdef(x.indexrelid) ||
                case when x.indisclustered then ' clustered' else '' end ||
                case when x.indisreplident then ' replica identity' else '' end ||
                coalesce((select ' part of ' || h.inhparent::regclass from pg_inherits h where h.inhrelid = i.oid), '')
            from pg_index x join pg_class i on i.oid = x.indexrelid join pg_class c on c.oid = x.indrelid
            join pg_namespace n on n.oid = i.relnamespace
            where {user} and {own:pg_class:c.oid} and {own:pg_class:i.oid}",
    },
    Kind {
        name: "valid index",
        covers: &["pg_index"],
        since: 0,
        query: "
            select format('%I.%I', n.nspname, i.relname),
                case when x.indisvalid and x.indisready and x.indislive then 'valid' else 'invalid' end
            from pg_index x join pg_class i on i.oid = x.indexrelid join pg_class c on c.oid = x.indrelid
            join pg_namespace n on n.oid = i.relnamespace
            where {user} and {own:pg_class:c.oid} and {own:pg_class:i.oid}",
    },
    Kind {
        // A trigger that a partition gets from its partitioned table is internal before version 15, and is
        // not since.
        name: "trigger",
        covers: &["pg_trigger"],
        since: 0,
        query: "
            select format('%I.%I.%I', n.nspname, c.relname, g.tgname), pg_get_triggerdef(g.oid) ||
                case g.tgenabled when 'D' then ' disabled' when 'R' then ' on replica' when 'A' then ' always' else '' end
            from pg_trigger g join pg_class c on c.oid = g.tgrelid join pg_namespace n on n.oid = c.relnamespace
            where (not g.tgisinternal or g.tgparentid <> 0 and not exists (
                    select from pg_constraint k where k.oid = g.tgconstraint and k.contype <> 't'))
              and {user} and {own:pg_class:c.oid}",
    },
    Kind {
        name: "policy",
        covers: &["pg_policy"],
        since: 0,
        query: "
            select format('%I.%I.%I', n.nspname, c.relname, p.polname), concat_ws(' ',
                case when p.polpermissive then 'as permissive' else 'as restrictive' end,
                case p.polcmd when 'r' then 'for select' when 'a' then 'for insert' when 'w' then 'for update'
                    when 'd' then 'for delete' else 'for all' end,
                'to ' || (select string_agg(case r.role when 0 then 'public' else quote_ident(pg_get_userbyid(r.role)) end, ', ' order by 1)
                    from unnest(p.polroles) r(role)),
                'using (' || pg_get_expr(p.polqual, p.polrelid) || ')',
                'with check (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')')
            from pg_policy p join pg_class c on c.oid = p.polrelid join pg_namespace n on n.oid = c.relnamespace
            where {user}",
    },
    Kind {
        name: "statistics",
        covers: &["pg_statistic_ext"],
        since: 0,
        query: "
            select format('%I.%I', n.nspname, s.stxname), pg_get_statisticsobjdef(s.oid) ||
                coalesce(' target ' || case when s.stxstattarget >= 0 then s.stxstattarget end, '')
            from pg_statistic_ext s join pg_namespace n on n.oid = s.stxnamespace where {user} and {own:pg_statistic_ext:s.oid}",
    },
];
