//! Constraints of one database, judged over several sessions.

use std::sync::{Mutex, PoisonError};

use futures_util::future::try_join_all;

use super::foreign_keys::{self, ForeignKey};
use super::look::{Gathered, Look};
use super::row_rules;
use super::uniqueness::{self, Exclusion, UniqueIndex};
use crate::PostgresAddress;
use crate::dump::parallelism;
use crate::error::Result;

/// What one statement looks at.
pub(super) enum Rule {
    /// Rules that each row of a table keeps by itself.
    OfRows(Vec<row_rules::Rule>),
    ForeignKey(ForeignKey),
    Unique(UniqueIndex),
    Exclusion(Exclusion),
}

impl Rule {
    /// The size of what is read for it.
    fn bytes(&self) -> i64 {
        match self {
            Self::OfRows(rules) => rules.first().map_or(0, |rule| rule.bytes),
            Self::ForeignKey(key) => key.bytes,
            Self::Unique(index) => index.bytes,
            Self::Exclusion(exclusion) => exclusion.bytes,
        }
    }

    /// Whether the server has shown it by loading the rows. Foreign keys, and keys that are checked at the end of a
    /// transaction, are checked by triggers, which a script can switch off.
    pub(super) fn is_shown_by_loading(&self) -> bool {
        match self {
            Self::OfRows(_) | Self::ForeignKey(_) => false,
            Self::Unique(index) => index.immediate,
            Self::Exclusion(exclusion) => exclusion.immediate,
        }
    }

    async fn judge(&self, look: &mut Look, gathered: &mut Gathered) -> Result<()> {
        match self {
            Self::OfRows(rules) => row_rules::judge(look, rules, gathered).await,
            Self::ForeignKey(key) => foreign_keys::judge(look, key, gathered).await,
            Self::Unique(index) => uniqueness::judge(look, index, gathered).await,
            Self::Exclusion(exclusion) => uniqueness::judge_exclusion(look, exclusion, gathered).await,
        }
    }
}

/// Every constraint of a database.
pub(super) async fn list(look: &mut Look, gathered: &mut Gathered) -> Result<Vec<Rule>> {
    let of_rows = row_rules::list(look, gathered).await?.into_iter().map(Rule::OfRows);
    let keys = foreign_keys::list(look).await?.into_iter().map(Rule::ForeignKey);
    let unique = uniqueness::list(look, gathered).await?.into_iter().map(Rule::Unique);
    let exclusions = uniqueness::list_exclusions(look).await?.into_iter().map(Rule::Exclusion);
    Ok(of_rows.chain(keys).chain(unique).chain(exclusions).collect())
}

/// Judges constraints over as many sessions as there are processors, those of large tables first, so that the last
/// session to finish has little left. `look` is the first of the sessions.
pub(super) async fn judge_all(
    server: &PostgresAddress,
    database: &str,
    look: Look,
    rules: Vec<Rule>,
    gathered: &mut Gathered,
) -> Result<()> {
    let mut looks = vec![look];
    while looks.len() < parallelism().min(rules.len()) {
        looks.push(Look::into(server, database).await?);
    }
    let mut waiting: Vec<_> = rules.into_iter().enumerate().collect();
    waiting.sort_by_key(|(_, rule)| std::cmp::Reverse(rule.bytes()));
    let work = Work { waiting: Mutex::new(waiting.into_iter()), done: Mutex::default() };
    try_join_all(looks.into_iter().map(|look| work.take_part(look))).await?;
    let mut done = work.done.into_inner().unwrap_or_else(PoisonError::into_inner);
    // The same order whichever session was quicker.
    done.sort_by_key(|(number, _)| *number);
    for (_, of_rule) in done {
        gathered.add(of_rule);
    }
    Ok(())
}

/// What the sessions share. The number of a rule is its place in the report.
struct Work {
    waiting: Mutex<std::vec::IntoIter<(usize, Rule)>>,
    done: Mutex<Vec<(usize, Gathered)>>,
}

impl Work {
    fn next(&self) -> Option<(usize, Rule)> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).next()
    }

    async fn take_part(&self, mut look: Look) -> Result<()> {
        while let Some((number, rule)) = self.next() {
            let mut gathered = Gathered::default();
            rule.judge(&mut look, &mut gathered).await?;
            self.done.lock().unwrap_or_else(PoisonError::into_inner).push((number, gathered));
        }
        look.end().await
    }
}
