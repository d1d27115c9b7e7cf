//! Extensions, and objects that refer to other servers: foreign servers, publications, subscriptions.

use super::kind::Kind;

pub(super) const KINDS: &[Kind] = &[
    Kind {
        name: "extension",
        covers: &["pg_extension"],
        since: 0,
        query: "select quote_ident(e.extname), format('version %s in %I', e.extversion, n.nspname)
            from pg_extension e join pg_namespace n on n.oid = e.extnamespace",
    },
    Kind {
        // The extension's data in a dump: tables whose rows belong to the user.
        name: "table of extension",
        covers: &["pg_extension"],
        since: 0,
        query: "
            select format('%I %s', e.extname, t.oid::regclass), coalesce(nullif(e.extcondition[t.place], ''), 'all rows')
            from pg_extension e, unnest(e.extconfig) with ordinality t(oid, place)",
    },
    Kind {
        name: "dependency on extension",
        covers: &["pg_depend"],
        since: 0,
        query: "
            select format('%s %s', o.type, o.identity), string_agg(distinct quote_ident(e.extname), ', ')
            from pg_depend d join pg_extension e on e.oid = d.refobjid, lateral pg_identify_object(d.classid, d.objid, d.objsubid) o
            where d.deptype = 'x' and d.refclassid = 'pg_extension'::regclass group by 1",
    },
    Kind {
        name: "foreign data wrapper",
        covers: &["pg_foreign_data_wrapper"],
        since: 0,
        query: "
            select quote_ident(f.fdwname), concat_ws(' ', 'handler ' || nullif(f.fdwhandler, 0)::regprocedure,
                'validator ' || nullif(f.fdwvalidator, 0)::regprocedure, 'options (' || {masked:f.fdwoptions} || ')')
            from pg_foreign_data_wrapper f where {own:pg_foreign_data_wrapper:f.oid}",
    },
    Kind {
        name: "foreign server",
        covers: &["pg_foreign_server"],
        since: 0,
        query: "
            select quote_ident(s.srvname), concat_ws(' ', format('wrapper %I', f.fdwname), 'type ' || quote_literal(s.srvtype),
                'version ' || quote_literal(s.srvversion), 'options (' || {masked:s.srvoptions} || ')')
            from pg_foreign_server s join pg_foreign_data_wrapper f on f.oid = s.srvfdw where {own:pg_foreign_server:s.oid}",
    },
    Kind {
        name: "user mapping",
        covers: &["pg_user_mapping"],
        since: 0,
        query: "
            select format('%s on %I', case u.umuser when 0 then 'public' else quote_ident(pg_get_userbyid(u.umuser)) end, s.srvname),
                'options (' || {masked:u.umoptions} || ')'
            from pg_user_mapping u join pg_foreign_server s on s.oid = u.umserver",
    },
    Kind {
        name: "publication",
        covers: &["pg_publication"],
        since: 0,
        query: "
            select quote_ident(p.pubname), concat_ws(' ', case when p.puballtables then 'all tables' end, case when p.pubinsert then 'insert' end,
                case when p.pubupdate then 'update' end, case when p.pubdelete then 'delete' end, case when p.pubtruncate then 'truncate' end,
                case when p.pubviaroot then 'via root' end, 'generated ' || nullif(to_jsonb(p) ->> 'pubgencols', 'n'))
            from pg_publication p",
    },
    Kind {
        name: "table in publication",
        covers: &["pg_publication_rel"],
        since: 0,
        query: "
            select format('%I: %s', p.pubname, r.prrelid::regclass), concat_ws(' ',
                {since 15: 'columns (' || (select string_agg(quote_ident(a.attname), ', ' order by a.attnum) from pg_attribute a
                    where a.attrelid = r.prrelid and a.attnum = any (r.prattrs)) || ')'},
                {since 15: 'where ' || pg_get_expr(r.prqual, r.prrelid)})
            from pg_publication_rel r join pg_publication p on p.oid = r.prpubid",
    },
    Kind {
        name: "schema in publication",
        covers: &["pg_publication_namespace"],
        since: 15,
        query: "
            select format('%I: %I', p.pubname, n.nspname), '' from pg_publication_namespace m
            join pg_publication p on p.oid = m.pnpubid join pg_namespace n on n.oid = m.pnnspid",
    },
    Kind {
        // The connection string may hold a password, which is left out.
        name: "subscription",
        covers: &["pg_subscription"],
        since: 0,
        query: r"
            select quote_ident(s.subname), concat_ws(' ', 'to ' || (select string_agg(quote_ident(name), ', ' order by name)
                    from unnest(s.subpublications) name),
                'at ' || quote_literal(regexp_replace(regexp_replace(s.subconninfo, '(password\s*=\s*)(''([^''\\]|\\.)*''|\S+)', '\1(not read)', 'gi'),
                    '(://[^:@/]*:)[^@/]*@', '\1(not read)@')),
                'slot ' || quote_ident(s.subslotname), 'commit ' || s.subsynccommit,
                (select string_agg(key || ' ' || value, ' ' order by key) from jsonb_each_text(to_jsonb(s))
                    where (key, value) in (('subbinary', 'true'), ('substream', 'true'), ('substream', 't'), ('substream', 'p'),
                        ('subdisableonerr', 'true'), ('subpasswordrequired', 'false'), ('subrunasowner', 'true'), ('suborigin', 'none'),
                        ('subfailover', 'true')) or key = 'subtwophasestate' and value <> 'd'))
            from pg_subscription s where s.subdbid = (select oid from pg_database where datname = current_database())",
    },
    Kind {
        // A dump restores subscriptions disabled.
        name: "enabled subscription",
        covers: &["pg_subscription"],
        since: 0,
        query: "
            select quote_ident(s.subname), '' from pg_subscription s
            where s.subenabled and s.subdbid = (select oid from pg_database where datname = current_database())",
    },
];
