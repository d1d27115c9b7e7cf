-- Rows and rules that are sound, in the forms that a careless check would take for a fault.
create schema s; set search_path = s, public;
create extension btree_gist; create collation s.ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
create function s.positive(int) returns boolean language sql immutable as 'select $1 > 0';
create domain s.label as text check (value <> '') constraint short check (length(value) < 9);
create domain s.labels as s.label[]; create domain s.tiny as s.label not null;
create domain s.later as int; create table latest (v s.later); insert into latest values (-1);
alter domain s.later add constraint positive check (value > 0) not valid;

-- Foreign keys: to oneself, in a circle, deferred, MATCH FULL with NULLs, across types, across collations, onto partitions
create table people (id serial primary key, boss int references people, name s.label, nick s.label[], tags s.labels, code s.tiny default 'x' not null,
    age int check (positive(age)), note text check (note <> 'no'), unique (name, age), unique nulls not distinct (note, id));
insert into people (boss, name, nick, tags, age) select nullif(g / 2, 0), 'p' || g, array['a', null, 'b'], array['a'], g from generate_series(1, 40) g;
create table places (a int, b int, c text, primary key (a, b));
insert into places select g, g, 'x' from generate_series(1, 9) g;
create table visits (id bigint generated always as identity, a bigint, b smallint, foreign key (a, b) references places match full deferrable initially deferred);
insert into visits (a, b) values (1, 1), (2, 2), (null, null);
create table maybe (a int, b int, foreign key (a, b) references places); insert into maybe values (1, null), (null, 99), (3, 3);
create table one (id int primary key, other int); create table other (id int primary key, one int references one);
alter table one add foreign key (other) references other deferrable initially deferred;
insert into one values (1, 1); insert into other values (1, 1);
create table words (word text collate "C" primary key); insert into words values ('a'), ('B');
create table uses (word text collate "POSIX" references words); insert into uses values ('a'), ('B'), (null);
create table folded (word text collate s.ci primary key); insert into folded values ('Ab'); create table folds (word text references folded); insert into folds values ('Ab');
create table old (id int, age int); insert into old values (99999, -1), (1, 2);
alter table old add foreign key (id) references people not valid, add check (age > 0) not valid;

-- Partitions by range, list, hash and expression; of partitions; with a default; on another schema's function
create table events (id bigserial, at timestamptz not null, kind text, who int references people, primary key (id, at)) partition by range (at);
create table events_24 partition of events for values from ('2024-01-01') to ('2025-01-01') partition by hash (id);
create table events_24_0 partition of events_24 for values with (modulus 2, remainder 0);
create table events_24_1 partition of events_24 for values with (modulus 2, remainder 1);
create table events_rest partition of events default;
insert into events (at, kind, who) select '2024-11-01'::timestamptz + g * interval '3 days', 'k', g % 40 + 1 from generate_series(1, 60) g;
create table about (event bigint, at timestamptz, foreign key (event, at) references events); insert into about select id, at from events limit 9;
create table lists (a text, b int) partition by list (lower(a));
create table lists_x partition of lists for values in ('x', null); create table lists_rest partition of lists default;
insert into lists values ('X', 1), ('y', 2), (null, 3);

create function s.bucket(text) returns text language sql immutable as 'select left($1, 1)';
create table routed (a text) partition by list (s.bucket(a)); create table routed_a partition of routed for values in ('a'); insert into routed values ('ab');

-- Inheritance: rules that are not inherited, keys that hold for the parent alone
create table animals (id int primary key, legs int, constraint few check (legs < 9) no inherit);
create table insects (wings int check (wings > 0)) inherits (animals); insert into animals values (1, 4); insert into insects values (1, 100, 2);
create table nothing (); insert into nothing default values; insert into nothing default values;
create table wide (a int, b int generated always as (a * 2) stored check (b >= 0)); insert into wide values (1), (null);

-- Unique keys by other ideas of equality, partial, on expressions, with NULLs; exclusion
create unique index on places (lower(c), a); create unique index on places (c text_pattern_ops, b); create unique index on folded (word);
create table partial (a int, b int); create unique index on partial (a) where b > 0; insert into partial values (1, 0), (1, 0), (1, 1), (null, 1), (null, 1);
create table bookings (room int, during tsrange, exclude using gist (room with =, during with &&) where (room < 9));
insert into bookings values (1, '[2024-01-01, 2024-01-02)'), (1, '[2024-01-02, 2024-01-03)'), (2, '[2024-01-01, 2024-01-09)'), (9, '[2024-01-01, 2024-01-09)'), (9, '[2024-01-01, 2024-01-09)');

-- Sequences: down, by steps, around, of nobody, shared, of text, values beyond its limits or off its step, skipped ahead
create sequence down increment -3 start -1 minvalue -999 maxvalue -1; create table downs (id int default nextval('down')); insert into downs select from generate_series(1, 5);
create sequence steps increment 10; create table stepped (id bigint default nextval('steps')); insert into stepped select from generate_series(1, 5); insert into stepped values (9999);
create sequence small maxvalue 100; create table smalls (id int default nextval('small')); insert into smalls values (default), (5000);
create sequence round maxvalue 5 cycle; create table rounds (id int default nextval('round')); insert into rounds select from generate_series(1, 7);
create sequence shared; create table shared_a (id int default nextval('shared')); create table shared_b (id bigint default nextval('shared'));
insert into shared_a values (default), (default); insert into shared_b values (default);
create sequence "Odd 'name"; create table odd (id text default 'A' || nextval('"Odd ''name"'), n int default nextval('"Odd ''name"')); insert into odd select from generate_series(1, 3);
create table fresh (id serial primary key); create table identity (id int generated by default as identity); insert into identity select from generate_series(1, 3);

-- What a judge reads through or around: policies, foreign tables, views, rules, temporary and unlogged tables
alter table places enable row level security; alter table places force row level security;
create extension file_fdw; create server files foreign data wrapper file_fdw; create foreign table far (a int check (a > 0)) server files options (filename '/nowhere');
create unlogged table cache (id serial primary key, a int check (a > 0)); insert into cache (a) values (1);
create view v as select * from people; create materialized view filled as select id, name from people; create unique index on filled (id);
create materialized view unfilled as select 1 as one with no data;
create rule keep as on delete to words do instead nothing;
