//! Judge of constraints: do the rows that came back keep the rules that the server takes for granted?

use async_trait::async_trait;
use comeback_engine::judge::{Judge, Opinion};
use comeback_model::ScopeKind;

use super::look::{Gathered, Look, count};
use super::rules::{Rule, judge_all, list};
use crate::PostgresAddress;
use crate::error::Result;

/// Evaluates every constraint on the rows that came back: foreign keys, CHECK, NOT NULL, domains, bounds of
/// partitions, unique keys and exclusion constraints. The server checks a constraint when a row is written, and
/// never again: rows that were loaded with triggers switched off, or that a damaged disk changed, break it in
/// silence.
///
/// Not looked at: constraints that are not validated, or not enforced; domains inside of composite types;
/// foreign tables; unique indexes whose equality is not that of the type.
pub struct ConstraintJudge<'a> {
    /// The restored server.
    pub server: &'a PostgresAddress,
    /// Whether this server wrote every row itself, as it does for a dump: then it has looked for duplicates in each
    /// unique index, and is not asked again.
    pub is_loaded: bool,
}

#[async_trait]
impl Judge for ConstraintJudge<'_> {
    fn name(&self) -> &'static str {
        "constraints"
    }

    async fn judge(&self) -> Result<Opinion> {
        let (mut gathered, databases) = Gathered::of(self.server).await?;
        let (mut rules, mut keys, mut unique, mut shown) = (0, 0, 0, 0);
        for database in databases {
            let mut look = Look::into(self.server, &database).await?;
            let (of_loading, of_database): (Vec<_>, Vec<_>) = list(&mut look, &mut gathered)
                .await?
                .into_iter()
                .partition(|rule| self.is_loaded && rule.is_shown_by_loading());
            shown += of_loading.len();
            for rule in &of_database {
                match rule {
                    Rule::OfRows(some) => rules += some.len(),
                    Rule::ForeignKey(_) => keys += 1,
                    Rule::Unique(_) | Rule::Exclusion(_) => unique += 1,
                }
            }
            judge_all(self.server, &database, look, of_database, &mut gathered).await?;
        }
        let summary = format!(
            "evaluated {} of rows, {} and {}",
            count(rules, "rule"),
            count(keys, "foreign key"),
            count(unique, "unique key")
        );
        let by_loading = format!("; {} more by loading the rows", count(shown, "unique key"));
        let summary = if shown > 0 { summary + &by_loading } else { summary };
        gathered.into_opinion(ScopeKind::Constraint, summary)
    }
}
