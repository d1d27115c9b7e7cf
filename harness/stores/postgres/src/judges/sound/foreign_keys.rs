//! Foreign keys: has every row the row that it refers to?

use super::breach::{broken, refused};
use super::look::{Gathered, Look, OF_USERS, count, read_by_name};
use crate::error::Result;

/// A foreign key.
#[derive(Debug)]
pub(super) struct ForeignKey {
    /// The size of both tables.
    pub(super) bytes: i64,
    /// `constraint public.chapters.story_fk`, for findings.
    subject: String,
    definition: String,
    /// The tables, each as it stands after `from`.
    child: String,
    parent: String,
    /// `c.a is not null and c.b is not null`.
    all_there: String,
    /// `c.a is not null or c.b is not null`.
    any_there: String,
    /// `p.x operator(pg_catalog.=) c.a and …`.
    matches: String,
    /// MATCH FULL: either all columns are NULL, or none.
    full: bool,
}

read_by_name!(ForeignKey: bytes, subject, definition, child, parent, all_there, any_there, matches, full);

/// The foreign keys. Those of partitions are looked at with their partitioned table.
///
/// Columns are compared as the server itself compares them: by the operator of the constraint, with its types
/// and the collation of the parent (`ri_triggers.c`, `RI_Initial_Check`).
const KEYS: &str = "
    select (coalesce(pg_relation_size(c.oid), 0) + coalesce(pg_relation_size(p.oid), 0))::int8 as bytes,
        format('constraint %I.%I.%I', n.nspname, c.relname, k.conname) as subject, pg_get_constraintdef(k.oid) as definition,
        case c.relkind when 'p' then '' else 'only ' end || format('%I.%I', n.nspname, c.relname) as child,
        case p.relkind when 'p' then '' else 'only ' end || format('%I.%I', pn.nspname, p.relname) as parent,
        m.all_there, m.any_there, m.matches, k.confmatchtype = 'f' as \"full\"
    from pg_constraint k join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace
    join pg_class p on p.oid = k.confrelid join pg_namespace pn on pn.oid = p.relnamespace,
    lateral (
        select string_agg(format('c.%I is not null', ca.attname), ' and ') as all_there,
            string_agg(format('c.%I is not null', ca.attname), ' or ') as any_there,
            string_agg(format('p.%I%s%s operator(%I.%s) c.%I%s', pa.attname,
                case when lt.typtype <> 'p' and o.oprleft <> pa.atttypid then '::' || format_type(o.oprleft, null) else '' end,
                case when pa.attcollation <> 0 and pa.attcollation <> ca.attcollation then format(' collate %I.%I', ln.nspname, l.collname) else '' end,
                oz.nspname, o.oprname, ca.attname,
                case when rt.typtype <> 'p' and o.oprright <> ca.atttypid then '::' || format_type(o.oprright, null) else '' end), ' and ') as matches
        from unnest(k.conkey, k.confkey, k.conpfeqop) x(child, parent, op)
        join pg_attribute ca on ca.attrelid = k.conrelid and ca.attnum = x.child
        join pg_attribute pa on pa.attrelid = k.confrelid and pa.attnum = x.parent
        join pg_operator o on o.oid = x.op join pg_namespace oz on oz.oid = o.oprnamespace
        join pg_type lt on lt.oid = o.oprleft join pg_type rt on rt.oid = o.oprright
        left join pg_collation l on l.oid = pa.attcollation left join pg_namespace ln on ln.oid = l.collnamespace
    ) m
    where k.contype = 'f' and k.conparentid = 0 and k.convalidated and c.relpersistence <> 't'
      and coalesce(to_jsonb(k)->>'conenforced' <> 'false', true) and coalesce(to_jsonb(k)->>'conperiod' <> 'true', true) and {of users}
    order by 2";

/// The foreign keys of a database.
pub(super) async fn list(look: &mut Look) -> Result<Vec<ForeignKey>> {
    look.list(KEYS.replace("{of users}", OF_USERS)).await
}

/// Looks at a foreign key.
pub(super) async fn judge(look: &mut Look, key: &ForeignKey, gathered: &mut Gathered) -> Result<()> {
    let orphans = format!("from {} c where {}", key.child, orphaned(key));
    match look.ask::<(i64,)>(format!("select count(*) {orphans}")).await? {
        Ok((0,)) => {}
        Ok((rows,)) => {
            let found = format!("{} without one", count(rows, "row"));
            let expected = format!("a parent for every row ({})", key.definition);
            let finding = broken(key.subject.clone(), &expected, found, &format!("select * {orphans}"));
            gathered.findings.push(finding);
        }
        Err(refusal) => refused(gathered, key.subject.clone(), refusal),
    }
    Ok(())
}

fn orphaned(key: &ForeignKey) -> String {
    let ForeignKey { parent, all_there, any_there, matches, full, .. } = key;
    let no_parent = format!("not exists (select from {parent} p where {matches})");
    // With MATCH FULL, a row with some columns NULL refers to no parent.
    if *full { format!("({any_there}) and {no_parent}") } else { format!("{all_there} and {no_parent}") }
}
