//! Types, collations and text search.

use super::kind::Kind;

pub(super) const KINDS: &[Kind] = &[
    Kind {
        name: "type",
        covers: &["pg_type", "pg_enum", "pg_range", "pg_attribute"],
        since: 0,
        query: "
            select format('%I.%I', n.nspname, t.typname), case t.typtype
                when 'e' then 'enum ' || coalesce((select string_agg(quote_literal(enumlabel), ', ' order by enumsortorder)
                    from pg_enum where enumtypid = t.oid), '')
                when 'd' then concat_ws(' ', 'domain', format_type(t.typbasetype, t.typtypmod),
                    (select 'collate ' || t.typcollation::regcollation from pg_type b
                        where b.oid = t.typbasetype and b.typcollation <> t.typcollation),
                    case when t.typnotnull then 'not null' end, 'default ' || t.typdefault)
                when 'c' then 'composite ' || coalesce((select string_agg(concat_ws(' ', quote_ident(a.attname),
                        format_type(a.atttypid, a.atttypmod), (select 'collate ' || a.attcollation::regcollation from pg_type b
                            where b.oid = a.atttypid and b.typcollation <> a.attcollation)), ', ' order by a.attnum)
                    from pg_attribute a where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped), '')
                when 'r' then (select concat_ws(' ', 'range of', format_type(r.rngsubtype, null),
                        'class ' || (select format('%I.%I', on_.nspname, o.opcname) from pg_opclass o
                            join pg_namespace on_ on on_.oid = o.opcnamespace where o.oid = r.rngsubopc),
                        'collate ' || nullif(r.rngcollation, 0)::regcollation,
                        'canonical ' || nullif(r.rngcanonical, 0)::regprocedure, 'difference ' || nullif(r.rngsubdiff, 0)::regprocedure,
                        {since 14: 'multirange ' || r.rngmultitypid::regtype})
                    from pg_range r where r.rngtypid = t.oid)
                when 'b' then concat_ws(' ', 'base', 'input ' || t.typinput::regprocedure, 'output ' || t.typoutput::regprocedure,
                    'receive ' || nullif(t.typreceive, 0)::regprocedure, 'send ' || nullif(t.typsend, 0)::regprocedure,
                    'modifier ' || nullif(t.typmodin, 0)::regprocedure, nullif(t.typmodout, 0)::regprocedure,
                    'analyze ' || nullif(t.typanalyze, 0)::regprocedure,
                    {since 14: 'subscript ' || nullif(t.typsubscript, 0)::regprocedure},
                    'length ' || t.typlen, case when t.typbyval then 'by value' end, 'alignment ' || t.typalign::text,
                    'storage ' || t.typstorage::text, 'category ' || t.typcategory::text, case when t.typispreferred then 'preferred' end,
                    'element ' || nullif(t.typelem, 0)::regtype, 'delimiter ' || quote_literal(t.typdelim::text),
                    case when t.typcollation <> 0 then 'collatable' end, 'default ' || quote_literal(t.typdefault))
                else 'shell' end
            from pg_type t join pg_namespace n on n.oid = t.typnamespace left join pg_class c on c.oid = t.typrelid
            where t.typtype in ('e', 'd', 'c', 'r', 'b', 'p') and (c.oid is null or c.relkind = 'c')
              and not exists (select from pg_type e where e.typarray = t.oid)
              and {user} and {own:pg_type:t.oid}",
    },
    Kind {
        name: "domain constraint",
        covers: &["pg_constraint"],
        since: 0,
        query: "
            select format('%I.%I.%I', n.nspname, t.typname, k.conname), pg_get_constraintdef(k.oid)
            from pg_constraint k join pg_type t on t.oid = k.contypid join pg_namespace n on n.oid = t.typnamespace
            where k.contype = 'c' and {user} and {own:pg_type:t.oid}",
    },
    Kind {
        name: "collation",
        covers: &["pg_collation"],
        since: 0,
        query: "
            select format('%I.%I', n.nspname, c.collname), concat_ws(' ', 'provider ' || c.collprovider::text,
                'encoding ' || nullif(pg_encoding_to_char(c.collencoding), ''),
                case when not c.collisdeterministic then 'not deterministic' end,
                'locale ' || coalesce(to_jsonb(c) ->> 'colllocale', to_jsonb(c) ->> 'colliculocale',
                    case when c.collcollate = c.collctype then c.collcollate else c.collcollate || ' ' || c.collctype end),
                'rules ' || (to_jsonb(c) ->> 'collicurules'))
            from pg_collation c join pg_namespace n on n.oid = c.collnamespace where {user} and {own:pg_collation:c.oid}",
    },
    Kind {
        // The library that the machine sorts by: with another version, an index that was built before is out
        // of order.
        name: "collation version",
        covers: &["pg_collation"],
        since: 0,
        query: "
            select format('%I.%I', n.nspname, c.collname), pg_collation_actual_version(c.oid)
            from pg_collation c join pg_namespace n on n.oid = c.collnamespace
            where {user} and {own:pg_collation:c.oid} and pg_collation_actual_version(c.oid) is not null",
    },
    Kind {
        name: "text search parser",
        covers: &["pg_ts_parser"],
        since: 0,
        query: "
            select format('%I.%I', n.nspname, p.prsname), concat_ws(' ', p.prsstart::regprocedure, p.prstoken::regprocedure,
                p.prsend::regprocedure, 'headline ' || nullif(p.prsheadline, 0)::regprocedure, p.prslextype::regprocedure)
            from pg_ts_parser p join pg_namespace n on n.oid = p.prsnamespace where {user} and {own:pg_ts_parser:p.oid}",
    },
    Kind {
        name: "text search template",
        covers: &["pg_ts_template"],
        since: 0,
        query: "
            select format('%I.%I', n.nspname, t.tmplname), concat_ws(' ', 'init ' || nullif(t.tmplinit, 0)::regprocedure,
                'lexize ' || t.tmpllexize::regprocedure)
            from pg_ts_template t join pg_namespace n on n.oid = t.tmplnamespace where {user} and {own:pg_ts_template:t.oid}",
    },
    Kind {
        name: "text search dictionary",
        covers: &["pg_ts_dict"],
        since: 0,
        query: "
            select format('%I.%I', n.nspname, dict.dictname), concat_ws(' ', format('template %I.%I', m.nspname, t.tmplname), dict.dictinitoption)
            from pg_ts_dict dict join pg_namespace n on n.oid = dict.dictnamespace join pg_ts_template t on t.oid = dict.dicttemplate
            join pg_namespace m on m.oid = t.tmplnamespace where {user} and {own:pg_ts_dict:dict.oid}",
    },
    Kind {
        name: "text search configuration",
        covers: &["pg_ts_config", "pg_ts_config_map"],
        since: 0,
        query: "
            select format('%I.%I', n.nspname, c.cfgname), concat_ws(' ', format('parser %I.%I', m.nspname, p.prsname),
                (select string_agg(format('%s with %s', coalesce(t.alias, w.maptokentype::text), w.mapdict::regdictionary), ', '
                        order by t.alias, w.maptokentype, w.mapseqno)
                    from pg_ts_config_map w left join ts_token_type(c.cfgparser) t on t.tokid = w.maptokentype where w.mapcfg = c.oid))
            from pg_ts_config c join pg_namespace n on n.oid = c.cfgnamespace join pg_ts_parser p on p.oid = c.cfgparser
            join pg_namespace m on m.oid = p.prsnamespace where {user} and {own:pg_ts_config:c.oid}",
    },
];
