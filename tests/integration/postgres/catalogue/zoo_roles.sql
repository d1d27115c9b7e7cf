-- Roles and what they may do on the server.
create role zoo_owner;
create role zoo_reader login password 'zoo reader' connection limit 3 valid until '2040-01-01';
create role "Zoo Writer" noinherit;
grant zoo_reader to "Zoo Writer" with admin option;
grant pg_monitor to zoo_reader;
alter role zoo_reader set work_mem = '5MB';
alter role "Zoo Writer" set search_path = 'a b', "C";
comment on role zoo_owner is 'keeper';
grant set on parameter log_min_messages to zoo_reader;
