//! One change to each kind of object of the zoo, as a careless user or a bad restore would make it.

/// A change, and the definition that must differ after it.
pub(super) struct Change {
    /// The kind of object.
    pub(super) kind: &'static str,
    /// Its identity.
    pub(super) identity: &'static str,
    /// The statements that change it.
    pub(super) sql: &'static str,
}

const fn change(kind: &'static str, identity: &'static str, sql: &'static str) -> Change {
    Change { kind, identity, sql }
}

/// The changes run one after another in one transaction, which is rolled back.
pub(super) const CHANGES: &[Change] = &[
    // What belongs to no database
    change("role", "zoo_reader", "alter role zoo_reader connection limit 4"),
    change(
        "membership",
        "\"Zoo Writer\" in zoo_reader",
        "revoke admin option for zoo_reader from \"Zoo Writer\"",
    ),
    change("membership", "zoo_reader in pg_monitor", "revoke pg_monitor from zoo_reader"),
    change("database", "zoo", "alter database zoo connection limit 78"),
    change("grant", "database zoo to public", "grant temporary on database zoo to public"),
    change(
        "grant",
        "parameter ACL log_min_messages to zoo_reader",
        "revoke set on parameter log_min_messages from zoo_reader",
    ),
    change("setting", "zoo_reader in zoo", "alter role zoo_reader in database zoo reset work_mem"),
    change("comment", "role zoo_owner", "comment on role zoo_owner is null"),
    change(
        "security label",
        "role zoo_owner for zoo",
        "insert into pg_shseclabel values ('zoo_owner'::regrole, 'pg_authid'::regclass, 'zoo', 'x')",
    ),
    change("tablespace", "zoo_space", "alter tablespace zoo_space set (random_page_cost = 1.5)"),
    change(
        "tablespace of database",
        "elsewhere",
        "update pg_database set dattablespace = 1663 where datname = 'elsewhere'",
    ),
    change(
        "collation version of database",
        "elsewhere",
        "update pg_database set datlocprovider = 'c' where datname = 'elsewhere'",
    ),
    // Tables, columns, views
    change("schema", "\"Odd; schema\"", "alter schema \"Odd; schema\" rename to \"odd; schema\""),
    change("table", "zoo.animals", "alter table zoo.animals reset (toast.autovacuum_enabled)"),
    change("table", "zoo.scratch", "alter table zoo.scratch set logged"),
    change("table", "zoo.typed", "alter table zoo.typed not of"),
    change("table", "zoo.abroad", "alter foreign table zoo.abroad options (set name 'y')"),
    change("table", "zoo.meals_2024", "alter table zoo.meals detach partition zoo.meals_2024"),
    change("table", "zoo.listed", "alter view zoo.listed reset (security_barrier)"),
    change("table", "zoo.empty", "refresh materialized view zoo.empty"),
    change(
        "table",
        "zoo.on_zoo_heap",
        "update pg_class set relam = 2 where oid = 'zoo.on_zoo_heap'::regclass",
    ),
    change("inheritance", "zoo.child", "alter table zoo.child no inherit zoo.other_parent"),
    change("column", "zoo.animals.weight", "alter table zoo.animals alter weight set not null"),
    change("column", "zoo.abroad.a", "alter foreign table zoo.abroad alter a options (drop column_name)"),
    change("column", "zoo.animals.id", "alter table zoo.animals alter id set generated always"),
    change("default", "zoo.child.d", "alter table zoo.child alter d set default 5"),
    change("default", "zoo.animals.search", "alter table zoo.animals alter search drop expression"),
    change("column storage", "zoo.animals.born", "alter table zoo.animals alter born reset (n_distinct)"),
    change(
        "column storage",
        "zoo.animals.search",
        "alter table zoo.animals alter search set compression default",
    ),
    change("column storage", "zoo.by_status.lower", "alter index zoo.by_status alter 1 set statistics 78"),
    change("view", "zoo.united", "create or replace view zoo.united as select 'x' as a, 2 as b"),
    change("rule", "zoo.parent.asleep", "alter table zoo.parent enable rule asleep"),
    change("rule", "zoo.parent.note", "drop rule note on zoo.parent"),
    change("sequence", "zoo.round", "alter sequence zoo.round no cycle"),
    change("sequence", "zoo.animals_id_seq", "alter sequence zoo.animals_id_seq cache 9"),
    change("tablespace of", "zoo.parent", "alter table zoo.parent set tablespace zoo_space"),
    change("large object", "700001", "select lo_unlink(700001)"),
    // Constraints, indexes, triggers, policies
    change("constraint", "zoo.animals.weighed", "alter table zoo.animals drop constraint weighed"),
    change("constraint", "zoo.animals.late", "alter table zoo.animals validate constraint late"),
    change(
        "inherited foreign key",
        "zoo.bills: FOREIGN KEY (animal, at) REFERENCES zoo.meals_2024(animal, at)",
        "",
    ),
    change(
        "check of constraint",
        "zoo.meals.meals_animal_fkey",
        "alter table zoo.animals disable trigger all",
    ),
    change("check of constraint", "zoo.animals.animals_name_key", ""),
    change("index", "zoo.by_name", "alter index zoo.by_name set (fastupdate = on)"),
    change("index", "zoo.by_search", "alter table zoo.animals set without cluster"),
    change("index", "zoo.meals_2024_food_idx", ""),
    change(
        "valid index",
        "zoo.by_status",
        "update pg_index set indisvalid = false where indexrelid = 'zoo.by_status'::regclass",
    ),
    change("trigger", "zoo.animals.checked", ""),
    change("trigger", "zoo.meals_rest.meal", "alter table zoo.meals_rest disable trigger meal"),
    change("policy", "zoo.animals.everybody", "alter policy everybody on zoo.animals using (false)"),
    change("policy", "zoo.animals.own", "alter policy own on zoo.animals to zoo_reader"),
    change("statistics", "zoo.numbers", "alter statistics zoo.numbers set statistics 56"),
    // Functions, operators, languages
    change(
        "function",
        "zoo.nothing()",
        "create or replace procedure zoo.nothing() language sql as 'select 2'",
    ),
    change("function", "zoo.add(a integer, b integer)", "alter function zoo.add(int, int) volatile"),
    change(
        "function",
        "zoo.total(integer)",
        "create or replace aggregate zoo.total(int) (sfunc = int4mi, stype = int, initcond = '0')",
    ),
    change("event trigger", "watch", "alter event trigger watch enable replica"),
    change("language", "zoo_lang", "update pg_language set lanpltrusted = false where lanname = 'zoo_lang'"),
    change("cast", "text as zoo.mood", "drop cast (text as zoo.mood)"),
    change("transform", "for integer language zoo_lang", "drop transform for int language zoo_lang"),
    change(
        "operator",
        "zoo.>~(zoo.place,zoo.place)",
        "alter operator zoo.>~ (zoo.place, zoo.place) set (restrict = scalargtsel)",
    ),
    change(
        "operator family",
        "zoo.places using btree",
        "alter operator family zoo.places using btree add operator 1 < (int4, int8)",
    ),
    change(
        "operator class",
        "zoo.place_ops using btree",
        "update pg_opclass set opcdefault = true where opcname = 'place_ops'",
    ),
    change("access method", "zoo_heap", "update pg_am set amname = 'zoo_heap_2' where amname = 'zoo_heap'"),
    change("conversion", "zoo.latin", "drop conversion zoo.latin"),
    // Types, collations, text search
    change("type", "zoo.mood", "alter type zoo.mood add value 'lost'"),
    change("type", "zoo.place", "alter type zoo.place rename attribute lat to latitude"),
    change("type", "zoo.code", "alter domain zoo.code drop not null"),
    change("type", "zoo.base", "alter type zoo.base set (storage = main)"),
    change("type", "zoo.shell", "drop type zoo.shell"),
    change("type", "zoo.span", "update pg_range set rngsubdiff = 0 where rngtypid = 'zoo.span'::regtype"),
    change("domain constraint", "zoo.label.valid", "alter domain zoo.label drop constraint valid"),
    change(
        "collation",
        "zoo.german",
        "update pg_collation set collisdeterministic = true where collname = 'german'",
    ),
    change("collation version", "zoo.german", "alter collation zoo.german rename to deutsch"),
    change(
        "text search parser",
        "zoo.parser",
        "update pg_ts_parser set prsheadline = 'prsd_headline'::regproc where prsname = 'parser'",
    ),
    change(
        "text search template",
        "zoo.template",
        "update pg_ts_template set tmplinit = 0 where tmplname = 'template'",
    ),
    change(
        "text search dictionary",
        "zoo.dictionary",
        "alter text search dictionary zoo.dictionary (stopwords)",
    ),
    change(
        "text search configuration",
        "zoo.configuration",
        "alter text search configuration zoo.configuration drop mapping for word",
    ),
    // Owners, grants, comments
    change("owner", "table zoo.parent", "alter table zoo.parent owner to zoo_reader"),
    change("owner", "type zoo.mood", "alter type zoo.mood owner to zoo_reader"),
    change(
        "owner",
        "event trigger watch",
        "alter role zoo_reader superuser; alter event trigger watch owner to zoo_reader",
    ),
    change("owner", "publication news", "alter publication news owner to zoo_reader"),
    change(
        "grant",
        "table column zoo.animals.name to zoo_reader",
        "revoke update (name) on zoo.animals from zoo_reader",
    ),
    change("grant", "schema zoo to public", "revoke usage on schema zoo from public"),
    change(
        "grant",
        "function zoo.place_name(zoo.place) to public",
        "grant execute on function zoo.place_name(zoo.place) to public",
    ),
    change("grant", "table pg_catalog.pg_authid to zoo_reader", "revoke select on pg_authid from zoo_reader"),
    change(
        "grant",
        "function pg_catalog.pg_ls_logdir() to pg_monitor",
        "grant execute on function pg_ls_logdir() to pg_monitor",
    ),
    change("grant", "view zoo.united to zoo_owner", "grant select on zoo.united to zoo_owner"),
    change("grant", "server far to zoo_reader", "revoke usage on foreign server far from zoo_reader"),
    change(
        "grant on constructor",
        "function zoo.span(double precision,double precision) to public",
        "grant execute on function zoo.span(float8, float8) to public",
    ),
    change(
        "default grant",
        "tables in zoo for zoo_owner to zoo_reader",
        "alter default privileges for role zoo_owner in schema zoo revoke select on tables from zoo_reader",
    ),
    change(
        "default grant",
        "types in any schema for zoo_owner to public",
        "alter default privileges for role zoo_owner grant usage on types to public",
    ),
    change("comment", "policy own on zoo.animals", "comment on policy own on zoo.animals is 'another'"),
    change("comment", "schema public", "comment on schema public is null"),
    change(
        "security label",
        "table zoo.bills for zoo",
        "insert into pg_seclabel values ('zoo.bills'::regclass, 'pg_class'::regclass, 0, 'zoo', 'x')",
    ),
    // Extensions, and what leads outside
    change(
        "extension",
        "btree_gist",
        "update pg_extension set extversion = '0' where extname = 'btree_gist'",
    ),
    change(
        "table of extension",
        "pg_trgm zoo.bills",
        "update pg_extension set extconfig = array['zoo.bills'::regclass::oid], extcondition = '{where id > 1}' where extname = 'pg_trgm'",
    ),
    change(
        "dependency on extension",
        "function zoo.depends(integer)",
        "alter function zoo.depends(int) no depends on extension pg_trgm",
    ),
    change(
        "foreign data wrapper",
        "wrapper",
        "alter foreign data wrapper wrapper options (set color 'blue')",
    ),
    change("foreign server", "far", "alter server far version '2'"),
    change(
        "user mapping",
        "zoo_reader on far",
        "alter user mapping for zoo_reader server far options (set user 'writer')",
    ),
    change("user mapping", "public on far", "drop user mapping for public server far"),
    change("publication", "news", "alter publication news set (publish = 'insert')"),
    change(
        "table in publication",
        "news: zoo.animals",
        "alter publication news set table zoo.animals (id) where (id > 1), zoo.parent",
    ),
    change("schema in publication", "schema_news: \"Odd; schema\"", ""),
    change("subscription", "abroad", "alter subscription abroad connection 'host=near.example'"),
    change("enabled subscription", "abroad", "alter subscription abroad enable"),
];

/// Objects that these changes need in addition to the zoo. Not all of them can be created in a transaction.
pub(super) const BEFORE: &[&str] = &[
    "create tablespace zoo_space location ''",
    "create database elsewhere template template0 locale_provider icu icu_locale 'de' tablespace zoo_space",
];
