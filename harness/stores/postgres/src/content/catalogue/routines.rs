//! Functions, and what the server calls internally: operators, casts, languages, access methods.

use super::kind::Kind;

pub(super) const KINDS: &[Kind] = &[
    Kind {
        name: "function",
        covers: &["pg_proc", "pg_aggregate"],
        since: 0,
        query: "
            select format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)),
                case when p.prokind <> 'a' then pg_get_functiondef(p.oid) else (
                    select concat_ws(', ', format('aggregate kind %s of %s direct arguments, %s parallel %s', g.aggkind,
                            g.aggnumdirectargs, p.provolatile, p.proparallel),
                        'function ' || g.aggtransfn::regprocedure, 'state ' || format_type(g.aggtranstype, null), 'space ' || g.aggtransspace,
                        'initial ' || quote_literal(g.agginitval), 'final ' || nullif(g.aggfinalfn, 0)::regprocedure,
                        format('extra %s modify %s', g.aggfinalextra, g.aggfinalmodify),
                        'combine ' || nullif(g.aggcombinefn, 0)::regprocedure, 'serial ' || nullif(g.aggserialfn, 0)::regprocedure,
                        'deserial ' || nullif(g.aggdeserialfn, 0)::regprocedure, 'sort ' || nullif(g.aggsortop, 0)::regoperator,
                        'moving ' || nullif(g.aggmtransfn, 0)::regprocedure, 'inverse ' || nullif(g.aggminvtransfn, 0)::regprocedure,
                        'moving final ' || nullif(g.aggmfinalfn, 0)::regprocedure,
                        'moving state ' || format_type(nullif(g.aggmtranstype, 0), null), 'moving space ' || g.aggmtransspace,
                        'moving initial ' || quote_literal(g.aggminitval),
                        format('moving extra %s modify %s', g.aggmfinalextra, g.aggmfinalmodify))
                    from pg_aggregate g where g.aggfnoid = p.oid) end
            from pg_proc p join pg_namespace n on n.oid = p.pronamespace
            where {user} and {own:pg_proc:p.oid} and {free:pg_proc:p.oid}",
    },
    Kind {
        name: "event trigger",
        covers: &["pg_event_trigger"],
        since: 0,
        query: "
            select quote_ident(e.evtname), format('on %s execute %s %s %s', e.evtevent, e.evtfoid::regprocedure, e.evtenabled,
                {sorted:e.evttags}) from pg_event_trigger e where {own:pg_event_trigger:e.oid}",
    },
    Kind {
        name: "language",
        covers: &["pg_language"],
        since: 0,
        query: "
            select quote_ident(l.lanname), concat_ws(' ', case when l.lanpltrusted then 'trusted' end,
                'handler ' || nullif(l.lanplcallfoid, 0)::regprocedure, 'inline ' || nullif(l.laninline, 0)::regprocedure,
                'validator ' || nullif(l.lanvalidator, 0)::regprocedure)
            from pg_language l where l.lanispl and {own:pg_language:l.oid}",
    },
    Kind {
        name: "cast",
        covers: &["pg_cast"],
        since: 0,
        query: "
            select format('%s as %s', format_type(c.castsource, null), format_type(c.casttarget, null)), concat_ws(' ',
                case c.castmethod when 'i' then 'inout' when 'b' then 'binary' else 'function ' || c.castfunc::regprocedure end,
                case c.castcontext when 'i' then 'implicit' when 'a' then 'assignment' else 'explicit' end)
            from pg_cast c where c.oid >= 16384 and {own:pg_cast:c.oid} and {free:pg_cast:c.oid}",
    },
    Kind {
        name: "transform",
        covers: &["pg_transform"],
        since: 0,
        query: "
            select format('for %s language %I', format_type(t.trftype, null), l.lanname), concat_ws(' ',
                'from ' || nullif(t.trffromsql, 0)::regprocedure, 'to ' || nullif(t.trftosql, 0)::regprocedure)
            from pg_transform t join pg_language l on l.oid = t.trflang where {own:pg_transform:t.oid}",
    },
    Kind {
        name: "operator",
        covers: &["pg_operator"],
        since: 0,
        query: "
            select o.oid::regoperator::text, concat_ws(' ', 'function ' || nullif(o.oprcode, 0)::regprocedure,
                'result ' || format_type(nullif(o.oprresult, 0), null), 'commutator ' || nullif(o.oprcom, 0)::regoperator,
                'negator ' || nullif(o.oprnegate, 0)::regoperator, 'restrict ' || nullif(o.oprrest, 0)::regprocedure,
                'join ' || nullif(o.oprjoin, 0)::regprocedure, case when o.oprcanmerge then 'merges' end,
                case when o.oprcanhash then 'hashes' end)
            from pg_operator o join pg_namespace n on n.oid = o.oprnamespace where {user} and {own:pg_operator:o.oid}",
    },
    Kind {
        name: "operator class",
        covers: &["pg_opclass"],
        since: 0,
        query: "
            select format('%I.%I using %I', n.nspname, c.opcname, a.amname), concat_ws(' ', case when c.opcdefault then 'default' end,
                format('for %s family %I.%I', format_type(c.opcintype, null), m.nspname, f.opfname),
                'storage ' || format_type(nullif(c.opckeytype, 0), null))
            from pg_opclass c join pg_namespace n on n.oid = c.opcnamespace join pg_am a on a.oid = c.opcmethod
            join pg_opfamily f on f.oid = c.opcfamily join pg_namespace m on m.oid = f.opfnamespace
            where {user} and {own:pg_opclass:c.oid}",
    },
    Kind {
        name: "operator family",
        covers: &["pg_opfamily", "pg_amop", "pg_amproc"],
        since: 0,
        query: "
            select format('%I.%I using %I', n.nspname, f.opfname, a.amname), concat_ws(', ',
                (select string_agg(concat_ws(' ', 'operator', o.amopstrategy, o.amopopr::regoperator, case o.amoppurpose when 'o' then
                        'order by ' || (select format('%I.%I', sn.nspname, s.opfname) from pg_opfamily s
                            join pg_namespace sn on sn.oid = s.opfnamespace where s.oid = o.amopsortfamily) end), ', '
                    order by o.amopstrategy, o.amopopr::regoperator::text) from pg_amop o where o.amopfamily = f.oid),
                (select string_agg(format('function %s (%s, %s) %s', p.amprocnum, format_type(p.amproclefttype, null),
                        format_type(p.amprocrighttype, null), p.amproc::regprocedure), ', '
                    order by p.amprocnum, p.amproc::regprocedure::text, p.amproclefttype::regtype::text, p.amprocrighttype::regtype::text)
                    from pg_amproc p where p.amprocfamily = f.oid))
            from pg_opfamily f join pg_namespace n on n.oid = f.opfnamespace join pg_am a on a.oid = f.opfmethod
            where {user} and {own:pg_opfamily:f.oid}",
    },
    Kind {
        name: "access method",
        covers: &["pg_am"],
        since: 0,
        query: "
            select quote_ident(a.amname), format('%s %s', case a.amtype when 'i' then 'index' else 'table' end, a.amhandler::regprocedure)
            from pg_am a where a.oid >= 16384 and {own:pg_am:a.oid}",
    },
    Kind {
        name: "conversion",
        covers: &["pg_conversion"],
        since: 0,
        query: "
            select format('%I.%I', n.nspname, c.conname), concat_ws(' ', case when c.condefault then 'default' end,
                format('from %s to %s by %s', pg_encoding_to_char(c.conforencoding), pg_encoding_to_char(c.contoencoding),
                    c.conproc::regprocedure))
            from pg_conversion c join pg_namespace n on n.oid = c.connamespace where {user} and {own:pg_conversion:c.oid}",
    },
];
