//! Answers to queries of the user, kept with a reference.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Profile, Reference};
use crate::{AnswerRows, Expectation, IntegrityQuery, RedisQuery};

/// An answer that was recorded. It holds values of rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    /// The query that was asked. A query that has changed since has no snapshot.
    pub asked: String,
    /// Its rows.
    pub rows: AnswerRows,
}

/// What judges have read of a restore, to be recorded.
#[derive(Debug, Clone, Default)]
pub struct Recording {
    /// Definitions and figures; `None` if no judge has read them.
    pub profile: Option<Profile>,
    /// Answers of queries that had no snapshot.
    pub answers: BTreeMap<String, Snapshot>,
}

impl Reference {
    /// Gives each query that expects a snapshot the rows that were recorded for it. The others keep the expectation.
    pub fn resolve(&self, queries: &mut [IntegrityQuery], commands: &mut [RedisQuery]) {
        for query in queries {
            self.resolve_one(&query.name, &query.sql, &mut query.expect, &mut query.expect_text);
        }
        for command in commands {
            let asked = command.asked();
            self.resolve_one(&command.name, &asked, &mut command.expect, &mut command.expect_text);
        }
    }

    fn resolve_one(&self, name: &str, asked: &str, expect: &mut Expectation, text: &mut String) {
        let recorded = self.answers.get(name).filter(|snapshot| snapshot.asked == asked);
        if let (Expectation::Snapshot, Some(Snapshot { rows, .. })) = (&*expect, recorded) {
            let number = rows.len();
            *text = format!("the {number} rows in {}", self.told());
            *expect = Expectation::Rows(rows.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::ClusterProfile;
    use super::*;

    #[test]
    fn a_snapshot_belongs_to_the_query_that_was_asked() {
        let rows = vec![vec![Some("a".to_owned())]];
        let snapshot = Snapshot { asked: "select 1".to_owned(), rows: rows.clone() };
        let reference = Reference {
            version: 1,
            recorded_at: "2026-11-01T00:00:00Z".parse().unwrap(),
            source: "app.sql".to_owned(),
            run: "17".to_owned(),
            profile: Profile::Postgres(ClusterProfile::default()),
            answers: [("plans".to_owned(), snapshot)].into(),
            accepted: Vec::new(),
        };
        let query = |name: &str, sql: &str, expect: &str| IntegrityQuery {
            name: name.to_owned(),
            sql: sql.to_owned(),
            expect: expect.parse().unwrap(),
            expect_text: expect.to_owned(),
        };
        let mut queries = [
            query("plans", "select 1", "snapshot"),
            query("plans", "select 2", "snapshot"),
            query("others", "select 1", "snapshot"),
            query("plans", "select 1", "== 1"),
        ];
        reference.resolve(&mut queries, &mut []);
        let [first, rest @ ..] = queries;
        assert_eq!(first.expect, Expectation::Rows(rows));
        assert_eq!(first.expect_text, "the 1 rows in the reference of 2026-11-01 (app.sql, run 17)");
        assert_eq!(rest.map(|query| query.expect_text), ["snapshot", "snapshot", "== 1"]);
    }
}
