-- What the cluster says about the zoo's database.
alter database zoo connection limit 77;
alter database zoo set datestyle = 'German';
alter role zoo_reader in database zoo set work_mem = '6MB';
comment on database zoo is 'the zoo';
revoke temporary on database zoo from public;
grant create on database zoo to "Zoo Writer" with grant option;
