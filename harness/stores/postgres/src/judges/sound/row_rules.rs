//! Rules that each row keeps by itself: CHECK, NOT NULL, domains, and the bounds of its partition.

use comeback_model::ScopeKind;

use super::breach::{broken, refused};
use super::look::{Gathered, Look, OF_USERS, count, read_by_name};
use crate::error::Result;

/// A rule of a table.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    /// Qualified and quoted.
    table: String,
    /// The size of the table.
    pub(super) bytes: i64,
    /// `constraint public.stories.title_check`, for findings.
    subject: String,
    /// What the rule says, for findings.
    says: String,
    /// The column that must not be NULL, quoted; empty for every other rule.
    not_null: String,
    /// An expression that is true for a row that breaks the rule; for a domain, one that fails for such a row.
    breaks: String,
    /// Whether a broken rule makes the query fail.
    fails: bool,
}

read_by_name!(Rule: table, bytes, subject, says, not_null, breaks, fails);

/// The rules of all tables that hold rows. Each table has an entry of its own for a rule that it inherits.
///
/// `num_nulls` is asked for NULLs: since version 17, the planner answers `is null` on a column that is NOT NULL
/// without looking. A cast to the base type and back makes the server check a domain again.
const RULES: &str = "
    with tables as (
        select c.oid, format('%I.%I', n.nspname, c.relname) as name, c.relispartition, coalesce(pg_relation_size(c.oid), 0) as bytes
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where c.relkind = 'r' and c.relpersistence <> 't' and {of users}
    ), checked as (
        select distinct t.oid, t.typname, coalesce(e.oid, t.oid) as domain, e.oid is not null as is_array
        from pg_type t left join pg_type e on e.oid = t.typelem and e.typtype = 'd' and t.typcategory = 'A'
        where (t.typtype = 'd' or e.oid is not null)
    )
    select t.name as \"table\", t.bytes, format('constraint %s.%I', t.name, k.conname) as subject, pg_get_constraintdef(k.oid) as says, '' as not_null,
        format('not (%s)', pg_get_expr(k.conbin, k.conrelid)) as breaks, false as fails
    from tables t join pg_constraint k on k.conrelid = t.oid where k.contype = 'c' and k.convalidated
        and coalesce(to_jsonb(k)->>'conenforced' <> 'false', true)
    union all
    select t.name, t.bytes, format('column %s.%I', t.name, a.attname), 'NOT NULL', quote_ident(a.attname), format('num_nulls(%I) > 0', a.attname), false
    from tables t join pg_attribute a on a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped and a.attnotnull
    where not exists (select from pg_constraint k where k.conrelid = t.oid and k.contype = 'n' and k.conkey = array[a.attnum] and not k.convalidated)
    union all
    select t.name, t.bytes, format('partition %s', t.name), 'rows within its bounds', '', format('not (%s)', pg_get_partition_constraintdef(t.oid)), false
    from tables t where t.relispartition and pg_get_partition_constraintdef(t.oid) is not null
    union all
    select t.name, t.bytes, format('column %s.%I', t.name, a.attname), format('values of the domain %s', format_type(y.domain, null)), '',
        format('count((%I::%s%s)::%s)', a.attname, format_type(b.typbasetype, b.typtypmod), case when y.is_array then '[]' else '' end,
            format_type(a.atttypid, a.atttypmod)), true
    from tables t join pg_attribute a on a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped
    join checked y on y.oid = a.atttypid join pg_type b on b.oid = y.domain
    where not exists (select from pg_constraint k where k.contypid = y.domain and not k.convalidated)
    order by 1, 7, 3";

/// Constraints that hold for later rows alone.
const NOT_VALIDATED: &str = "
    select format('%I.%I.%I', n.nspname, c.relname, k.conname) from pg_constraint k
    join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace
    where (not k.convalidated or to_jsonb(k)->>'conenforced' = 'false') and k.contype in ('c', 'f', 'n') and {of users}
    union all
    select format('%I.%I.%I', n.nspname, t.typname, k.conname) from pg_constraint k
    join pg_type t on t.oid = k.contypid join pg_namespace n on n.oid = t.typnamespace where not k.convalidated
    order by 1";

/// Most rules in one statement: a table is read once for each of them.
const AT_A_TIME: usize = 100;

/// The rules of a database, in groups that one statement looks at.
pub(super) async fn list(look: &mut Look, gathered: &mut Gathered) -> Result<Vec<Vec<Rule>>> {
    for (name,) in look.list::<(String,)>(NOT_VALIDATED.replace("{of users}", OF_USERS)).await? {
        let why = "it is not validated: the server holds it against later rows alone";
        gathered.leave_out(ScopeKind::Constraint, name, why);
    }
    let rules: Vec<Rule> = look.list(RULES.replace("{of users}", OF_USERS)).await?;
    let of_tables = rules.chunk_by(|one, other| one.table == other.table && one.fails == other.fails);
    Ok(of_tables.flat_map(|of_table| of_table.chunks(AT_A_TIME)).map(<[Rule]>::to_vec).collect())
}

/// Looks at rules of one table; at each by itself if not all of them are kept.
pub(super) async fn judge(look: &mut Look, rules: &[Rule], gathered: &mut Gathered) -> Result<()> {
    if all_kept(look, rules).await? {
        return Ok(());
    }
    for rule in rules {
        judge_one(look, rule, gathered).await?;
    }
    Ok(())
}

/// Whether the rows of a table keep all of these rules, read once. Not even a reason for the answer no: then
/// each is looked at alone.
async fn all_kept(look: &mut Look, rules: &[Rule]) -> Result<bool> {
    let Some(Rule { table, fails, .. }) = rules.first() else { return Ok(true) };
    let sql = if *fails {
        let casts = rules.iter().map(|rule| rule.breaks.as_str()).collect::<Vec<_>>().join(" + ");
        format!("select {casts} >= 0 from only {table}")
    } else {
        format!("select not exists (select from only {table} where {})", any_broken(rules))
    };
    Ok(look.ask::<(bool,)>(sql).await?.is_ok_and(|(kept,)| kept))
}

/// An expression that is true for a row that breaks one of the rules. NULLs are counted together: a call for each column
/// would take half of the time.
fn any_broken(rules: &[Rule]) -> String {
    let columns: Vec<_> =
        rules.iter().map(|rule| rule.not_null.as_str()).filter(|name| !name.is_empty()).collect();
    let nulls = (!columns.is_empty()).then(|| format!("num_nulls({}) > 0", columns.join(", ")));
    let others =
        rules.iter().filter(|rule| rule.not_null.is_empty()).map(|rule| format!("({})", rule.breaks));
    nulls.into_iter().chain(others).collect::<Vec<_>>().join(" or ")
}

async fn judge_one(look: &mut Look, rule: &Rule, gathered: &mut Gathered) -> Result<()> {
    let Rule { table, subject, says, breaks, fails, .. } = rule;
    if *fails {
        match look.ask::<(i64,)>(format!("select {breaks} from only {table}")).await? {
            Err(refusal) if refusal.is_violation() => {
                let found = format!("at least one other: {}", refusal.said);
                gathered.findings.push(broken(
                    subject.clone(),
                    says,
                    found,
                    &format!("select {breaks} from {table}"),
                ));
            }
            Err(refusal) => refused(gathered, subject.clone(), refusal),
            Ok(_) => {}
        }
        return Ok(());
    }
    match look.ask::<(i64,)>(format!("select count(*) from only {table} where {breaks}")).await? {
        Ok((0,)) => {}
        Ok((rows,)) => {
            let found = format!("{} that do not keep it", count(rows, "row"));
            let list = format!("select * from only {table} where {breaks}");
            gathered.findings.push(broken(subject.clone(), says, found, &list));
        }
        Err(refusal) => refused(gathered, subject.clone(), refusal),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nulls_are_counted_together() {
        let rule = |not_null: &str, breaks: &str| Rule {
            table: "t".to_owned(),
            bytes: 0,
            subject: String::new(),
            says: String::new(),
            not_null: not_null.to_owned(),
            breaks: breaks.to_owned(),
            fails: false,
        };
        let (a, b, check) =
            (rule("a", "num_nulls(a) > 0"), rule("\"B\"", "num_nulls(\"B\") > 0"), rule("", "not (c > 0)"));
        assert_eq!(any_broken(&[check.clone(), a, b]), "num_nulls(a, \"B\") > 0 or (not (c > 0))");
        assert_eq!(any_broken(&[check]), "(not (c > 0))");
    }
}
