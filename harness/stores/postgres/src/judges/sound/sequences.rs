//! Judge of sequences: does one give out a value that its column already holds?

use std::collections::BTreeSet;

use async_trait::async_trait;
use comeback_engine::judge::{Judge, Opinion};
use comeback_model::{Finding, FindingCode, RecordedPosition, ScopeKind, SequencePosition};

use super::look::{Gathered, Look, Refusal, count, read_by_name};
use crate::PostgresAddress;
use crate::content::catalogue::read_sequences;
use crate::error::Result;

/// Compares the position of each sequence with the columns that it fills: those that own it, and those whose
/// default is exactly its next value. A sequence is behind if one of the values that it is going to give out is
/// already there. Values that it cannot give out, by its step or its limits, were set by hand and do not count.
///
/// Not looked at: sequences that start anew at their end, and sequences that no column names. Neither is one that was
/// never used if the backup itself says so: rows that were loaded with their numbers leave such sequences, and whether
/// the application uses them is not known here.
pub struct SequenceJudge<'a> {
    /// The restored server.
    pub server: &'a PostgresAddress,
    /// Which sequences the backup itself put where they are.
    pub positions: &'a Positions,
}

/// The sequences whose positions a backup holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Positions {
    /// All of them: it is a copy of the files.
    Copied,
    /// Those that a dump sets, as it names them.
    Set(BTreeSet<String>),
}

impl Positions {
    /// Whether the backup holds the position of a sequence, given with its schema. Dumps of PostgreSQL before 10.3 name
    /// most of them without.
    fn hold(&self, sequence: &str) -> bool {
        match self {
            Self::Copied => true,
            Self::Set(names) => names.iter().any(|name| {
                name == sequence
                    || sequence.strip_suffix(name.as_str()).is_some_and(|schema| schema.ends_with('.'))
            }),
        }
    }
}

/// A column that a sequence fills.
struct Filled {
    /// The sequence, qualified and quoted.
    sequence: String,
    /// The rows to look at, as they stand after `from`.
    rows: String,
    /// The column, quoted.
    column: String,
    /// `public.stories.id`, for findings.
    name: String,
}

read_by_name!(Filled: sequence, rows, column, name);

/// Columns of whole numbers, alone or below a domain. Partitions are read with their partitioned table.
const FILLED: &str = "
    with fills(sequence, tab, col) as (
        select d.objid, d.refobjid, d.refobjsubid from pg_depend d join pg_class s on s.oid = d.objid and s.relkind = 'S'
        where d.classid = 'pg_class'::regclass and d.refclassid = 'pg_class'::regclass and d.deptype in ('a', 'i') and d.refobjsubid > 0
      union
        select d.refobjid, a.adrelid, a.adnum from pg_attrdef a
        join pg_depend d on d.classid = 'pg_attrdef'::regclass and d.objid = a.oid and d.refclassid = 'pg_class'::regclass
        join pg_class s on s.oid = d.refobjid and s.relkind = 'S'
        where pg_get_expr(a.adbin, a.adrelid) ~ '^nextval\\(''[^'']*''::regclass\\)$'
    )
    select format('%I.%I', sn.nspname, s.relname) as sequence,
        case c.relkind when 'p' then '' else 'only ' end || format('%I.%I', n.nspname, c.relname) as rows,
        quote_ident(a.attname) as \"column\", format('%I.%I.%I', n.nspname, c.relname, a.attname) as name
    from fills f join pg_class s on s.oid = f.sequence join pg_namespace sn on sn.oid = s.relnamespace
    join pg_class c on c.oid = f.tab join pg_namespace n on n.oid = c.relnamespace
    join pg_attribute a on a.attrelid = f.tab and a.attnum = f.col
    join pg_type t on t.oid = a.atttypid
    where c.relkind in ('r', 'p') and c.relpersistence <> 't' and s.relpersistence <> 't'
      and not (c.relispartition and exists (select from pg_inherits i join fills o on o.tab = i.inhparent where i.inhrelid = c.oid and o.sequence = f.sequence))
      and (select case t.typtype when 'd' then t.typbasetype else t.oid end) in ('int2'::regtype, 'int4'::regtype, 'int8'::regtype)
    order by 1, 4";

#[async_trait]
impl Judge for SequenceJudge<'_> {
    fn name(&self) -> &'static str {
        "sequences"
    }

    async fn judge(&self) -> Result<Opinion> {
        let (mut gathered, databases) = Gathered::of(self.server).await?;
        let mut columns = 0;
        for database in databases {
            let mut connection = self.server.connect(&database).await?;
            let positions = read_sequences(&mut connection).await?;
            crate::connection::session::close(connection).await;
            let mut look = Look::into(self.server, &database).await?;
            for filled in look.list::<Filled>(FILLED).await? {
                let Some(RecordedPosition::Whole(position)) = positions.get(&filled.sequence) else {
                    continue;
                };
                if position.cycle {
                    let why =
                        "it starts anew at its end: values that are there do not show that it is behind";
                    gathered.leave_out(ScopeKind::SequencePosition, &filled.sequence, why);
                    continue;
                }
                let is_unused = !position.is_called && position.last_value == position.start;
                let is_said = is_unused && self.positions.hold(&filled.sequence);
                columns += usize::from(!is_said);
                match look.ask::<(Option<i64>,)>(ahead(&filled, position)).await? {
                    Ok((None,)) => {}
                    Ok((Some(held),)) if is_said => {
                        let why = format!(
                            "it was never used, by the backup's own words, and {} holds values up to {held}: whether \
                             the application takes its numbers from it is not known",
                            filled.name
                        );
                        gathered.leave_out(ScopeKind::SequencePosition, &filled.sequence, why);
                    }
                    Ok((Some(held),)) => gathered.findings.push(behind(&filled, position, held)),
                    Err(refusal) => leave_out(&mut gathered, &filled, &refusal),
                }
            }
            look.end().await?;
        }
        gathered.into_opinion(
            ScopeKind::SequencePosition,
            format!("compared the sequences of {} with what the columns hold", count(columns, "column")),
        )
    }
}

/// The query for the value furthest ahead that the sequence is still going to give out; NULL if none is there.
fn ahead(filled: &Filled, position: &SequencePosition) -> String {
    let Filled { rows, column, .. } = filled;
    let SequencePosition { increment, min_value, max_value, .. } = position;
    let (next, furthest, from, to) = if *increment > 0 {
        (position.next(), "max", position.next(), i128::from(*max_value))
    } else {
        (position.next(), "min", i128::from(*min_value), position.next())
    };
    // The first condition is answered by an index, and nearly always with no.
    format!(
        "select case when (select {furthest}({column}) from {rows}) between {from} and {to} or \
             (select {furthest}({column}) from {rows}) not between {min_value} and {max_value} then \
             (select {furthest}({column})::int8 from {rows} where {column} between {from} and {to} \
                and ({column}::numeric - {next}) % {increment} = 0) end"
    )
}

fn behind(filled: &Filled, position: &SequencePosition, held: i64) -> Finding {
    let Filled { sequence, name, .. } = filled;
    let expected = format!("a next value after {held}, which {name} holds");
    let literal = sequence.replace('\'', "''");
    Finding::new(FindingCode::SequenceBehind, sequence, expected, position.to_string())
        .remedy(format!("run `select setval('{literal}', {held})` before the application writes"))
}

fn leave_out(gathered: &mut Gathered, filled: &Filled, refusal: &Refusal) {
    // A table that cannot be read is a finding of the judge of structure.
    gathered.leave_out(ScopeKind::SequencePosition, &filled.sequence, refusal.said.clone());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_holds_the_positions_that_it_sets() {
        let names = ["public.t_id_seq", "u_id_seq", "s.\"V\""].map(str::to_owned);
        let set = Positions::Set(names.into());
        for (sequence, is_held) in [
            ("public.t_id_seq", true),
            ("public.u_id_seq", true),
            ("s.\"V\"", true),
            ("other.t_id_seq", false),
            ("public.xu_id_seq", false),
        ] {
            assert_eq!(set.hold(sequence), is_held, "{sequence}");
            assert!(Positions::Copied.hold(sequence));
        }
    }

    #[test]
    fn only_values_that_a_sequence_will_give_out_are_looked_for() {
        let filled = Filled {
            sequence: "s".to_owned(),
            rows: "only t".to_owned(),
            column: "id".to_owned(),
            name: "t.id".to_owned(),
        };
        let mut position = SequencePosition {
            last_value: 10,
            is_called: true,
            increment: 5,
            min_value: 1,
            max_value: 99,
            start: 1,
            cache: 1,
            cycle: false,
            unlogged: false,
        };
        assert!(ahead(&filled, &position).contains("id between 15 and 99 and (id::numeric - 15) % 5 = 0"));
        position.increment = -5;
        assert!(ahead(&filled, &position).contains("id between 1 and 5 and (id::numeric - 5) % -5 = 0"));
    }
}
