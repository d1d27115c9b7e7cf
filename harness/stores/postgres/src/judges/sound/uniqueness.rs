//! Unique keys and exclusion constraints: are there two rows where one is allowed?

use comeback_model::ScopeKind;

use super::breach::{broken, refused};
use super::look::{Gathered, Look, OF_USERS, count, read_by_name};
use crate::error::Result;

/// A unique index.
#[derive(Debug)]
pub(super) struct UniqueIndex {
    /// The size of its table.
    pub(super) bytes: i64,
    subject: String,
    /// The table, as it stands after `from`.
    rows: String,
    /// The expressions of the key, in order.
    key: Vec<String>,
    /// `where` with the condition of a partial index, or empty.
    condition: String,
    /// Whether two NULLs are equal.
    nulls_equal: bool,
    /// Whether the server looks for duplicates as it writes a row, and not by a trigger at the end of the transaction.
    pub(super) immediate: bool,
    /// Whether `group by` has the index's idea of equality: every column by the standard operators of its type,
    /// and by a collation that tells apart what differs.
    is_plain: bool,
}

read_by_name!(UniqueIndex: bytes, subject, rows, key, condition, nulls_equal, immediate, is_plain);

const UNIQUE: &str = "
    select coalesce(pg_relation_size(c.oid), 0) as bytes, format('index %I.%I', n.nspname, i.relname) as subject, format('only %I.%I', tn.nspname, c.relname) as rows,
        array(select pg_get_indexdef(i.oid, k, false) from generate_series(1, x.indnkeyatts) k order by k) as key,
        coalesce('where ' || pg_get_expr(x.indpred, x.indrelid), '') as condition,
        coalesce((to_jsonb(x)->>'indnullsnotdistinct')::boolean, false) as nulls_equal, x.indimmediate as immediate,
        not exists (select from unnest(x.indclass::oid[]) o(class) join pg_opclass p on p.oid = o.class where not p.opcdefault)
            and not exists (select from unnest(x.indcollation::oid[]) o(coll) join pg_collation l on l.oid = o.coll where not l.collisdeterministic) as is_plain
    from pg_index x join pg_class i on i.oid = x.indexrelid join pg_namespace n on n.oid = i.relnamespace
    join pg_class c on c.oid = x.indrelid join pg_namespace tn on tn.oid = c.relnamespace
    where x.indisunique and x.indisvalid and c.relkind in ('r', 'm') and c.relpersistence <> 't'
      and (c.relkind = 'r' or c.relispopulated) and {of users}
    order by 2";

/// An exclusion constraint.
#[derive(Debug)]
pub(super) struct Exclusion {
    /// The size of its table.
    pub(super) bytes: i64,
    subject: String,
    definition: String,
    /// As that of a unique index.
    pub(super) immediate: bool,
    rows: String,
    /// `… as k1, … as k2`.
    columns: String,
    condition: String,
    /// `a.k1 operator(pg_catalog.&&) b.k1 and …`.
    conflicts: String,
}

read_by_name!(Exclusion: bytes, subject, definition, immediate, rows, columns, condition, conflicts);

const EXCLUSIONS: &str = "
    select coalesce(pg_relation_size(c.oid), 0) as bytes,
        format('constraint %I.%I.%I', n.nspname, c.relname, k.conname) as subject, pg_get_constraintdef(k.oid) as definition, x.indimmediate as immediate,
        format('only %I.%I', n.nspname, c.relname) as rows, m.columns,
        coalesce(pg_get_expr(x.indpred, x.indrelid), 'true') as condition, m.conflicts
    from pg_constraint k join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace
    join pg_index x on x.indexrelid = k.conindid,
    lateral (
        select string_agg(format('%s as k%s', pg_get_indexdef(k.conindid, e.at::int, false), e.at), ', ' order by e.at) as columns,
            string_agg(format('a.k%s operator(%I.%s) b.k%1$s', e.at, z.nspname, o.oprname), ' and ' order by e.at) as conflicts
        from unnest(k.conexclop) with ordinality e(op, at) join pg_operator o on o.oid = e.op join pg_namespace z on z.oid = o.oprnamespace
    ) m
    where k.contype = 'x' and c.relkind = 'r' and {of users}
    order by 2";

/// The unique indexes of a database. Those whose equality is not that of their type are left out.
pub(super) async fn list(look: &mut Look, gathered: &mut Gathered) -> Result<Vec<UniqueIndex>> {
    let all = look.list::<UniqueIndex>(UNIQUE.replace("{of users}", OF_USERS)).await?;
    let (plain, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|index| index.is_plain);
    for index in others {
        let why = "its idea of equality is not that of its type: duplicates were not looked for";
        gathered.leave_out(ScopeKind::Constraint, index.subject, why);
    }
    Ok(plain)
}

/// The exclusion constraints of a database.
pub(super) async fn list_exclusions(look: &mut Look) -> Result<Vec<Exclusion>> {
    look.list(EXCLUSIONS.replace("{of users}", OF_USERS)).await
}

/// Looks at a unique index.
pub(super) async fn judge(look: &mut Look, index: &UniqueIndex, gathered: &mut Gathered) -> Result<()> {
    let UniqueIndex { subject, rows, key, condition, .. } = index;
    let duplicates = duplicates(index);
    match look.ask::<(i64,)>(format!("select count(*) from ({duplicates}) d")).await? {
        Ok((0,)) => {}
        Ok((keys,)) => {
            let found = format!("{} that several rows have", count(keys, "key"));
            let list = format!(
                "select {}, count(*) from {rows} {condition} group by {0} having count(*) > 1",
                key.join(", ")
            );
            gathered.findings.push(broken(subject.clone(), "each key once", found, &list));
        }
        Err(refusal) => refused(gathered, subject.clone(), refusal),
    }
    Ok(())
}

/// Looks at an exclusion constraint.
pub(super) async fn judge_exclusion(
    look: &mut Look,
    exclusion: &Exclusion,
    gathered: &mut Gathered,
) -> Result<()> {
    let Exclusion { subject, definition, rows, columns, condition, conflicts, .. } = exclusion;
    // No index answers the first condition: a row that the index lacks is looked at as well. The second side
    // may use the index of the constraint, without which a large table would take too long.
    let rows_that = format!(
        "from (select ctid as place, {columns} from {rows} where case when {condition} then true else false end) a \
         where exists (select from (select ctid as place, {columns} from {rows} where {condition}) b \
            where a.place <> b.place and {conflicts})"
    );
    match look.ask::<(i64,)>(format!("select count(*) {rows_that}")).await? {
        Ok((0,)) => {}
        Ok((number,)) => {
            let found = format!("{} that another one excludes", count(number, "row"));
            let list = format!("select * {rows_that}");
            gathered.findings.push(broken(subject.clone(), definition, found, &list));
        }
        Err(refusal) => refused(gathered, subject.clone(), refusal),
    }
    Ok(())
}

/// The keys that several rows have. NULLs differ from each other unless the index says otherwise.
fn duplicates(index: &UniqueIndex) -> String {
    let UniqueIndex { rows, key, condition, nulls_equal, .. } = index;
    let columns =
        key.iter().zip(1..).map(|(key, at)| format!("{key} as k{at}")).collect::<Vec<_>>().join(", ");
    let names: Vec<_> = (1..=key.len()).map(|at| format!("k{at}")).collect();
    let not_null =
        names.iter().map(|name| format!("num_nulls({name}) = 0")).collect::<Vec<_>>().join(" and ");
    let having = if *nulls_equal { String::new() } else { format!("where {not_null}") };
    let names = names.join(", ");
    format!(
        "select from (select {columns} from {rows} {condition}) r {having} group by {names} having count(*) > 1"
    )
}
