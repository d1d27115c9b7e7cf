//! Judge of everything that is not a row: definitions, grants, settings, sequences.

use async_trait::async_trait;

use super::{Opinion, Oracle};
use crate::error::Result;
use crate::model::{Catalogue, CatalogueDifference, ClusterContent, Finding, FindingCode};
use crate::stores::postgres::{PostgresServer, read_catalogue, read_cluster_catalogue};

/// Compares the catalogues of every database, and of the cluster, with the manifest.
///
/// A sequence may stand further on than recorded: after a crash PostgreSQL skips up to 32 values that it had
/// logged ahead. One that stands further back gives out values twice, and is a finding.
pub struct CatalogueOracle<'a> {
    /// The restored server.
    pub server: &'a PostgresServer,
    /// What the manifest says.
    pub recorded: &'a ClusterContent,
}

#[async_trait]
impl Oracle for CatalogueOracle<'_> {
    fn name(&self) -> &'static str {
        "catalogue"
    }

    async fn judge(&self) -> Result<Opinion> {
        let cluster = read_cluster_catalogue(self.server).await?;
        let mut findings = compare(&self.recorded.catalogue, &cluster);
        let mut objects = self.recorded.catalogue.len();
        let mut sequences = 0;
        for (database, recorded) in &self.recorded.databases {
            if !cluster.objects.get("database").is_some_and(|databases| databases.contains_key(database)) {
                // Said above, as a missing object of the cluster.
                continue;
            }
            let actual = read_catalogue(self.server, database).await?;
            findings.extend(compare(&recorded.catalogue, &actual));
            objects += recorded.catalogue.len();
            sequences += recorded.catalogue.sequences.len();
        }
        Ok(Opinion::new(format!("compared {objects} definitions and {sequences} sequences"), findings))
    }
}

pub(super) fn compare(recorded: &Catalogue, actual: &Catalogue) -> Vec<Finding> {
    let differences = recorded.differences(actual);
    let gone: Vec<&str> = differences
        .iter()
        .filter(|difference| difference.kind == "table" && difference.after.is_none())
        .map(|difference| difference.identity)
        .collect();
    // What went with a table needs no finding of its own: there would be dozens.
    let stands_alone = |difference: &&CatalogueDifference<'_>| {
        difference.kind == "table" || !gone.iter().any(|table| mentions(difference, table))
    };
    let mut findings: Vec<_> = differences.iter().filter(stands_alone).map(finding).collect();
    let gone_sequences = |name: &String| !actual.sequences.contains_key(name);
    for (name, position) in &recorded.sequences {
        if gone_sequences(name) {
            // Said above, as a missing object.
            continue;
        }
        let now = actual.sequences.get(name).copied().flatten();
        if now < *position {
            let position =
                |value: Option<i64>| value.map_or("never asked".to_owned(), |value| format!("at {value}"));
            let finding = Finding::new(
                FindingCode::SequenceBehind,
                name,
                format!("{} or further", position(recorded.sequences.get(name).copied().flatten())),
                position(now),
            );
            findings.push(
                finding.remedy(format!("set it on with setval('{name}', …) before the application writes")),
            );
        }
    }
    findings.sort_by_key(|finding| finding.code != FindingCode::ObjectMissing);
    findings
}

/// Whether an object's name or definition names a table.
fn mentions(difference: &CatalogueDifference<'_>, table: &str) -> bool {
    let names = |text: &str| {
        text.match_indices(table).any(|(at, found)| {
            let word = |c: char| c.is_alphanumeric() || c == '_';
            !text[..at].chars().next_back().is_some_and(word)
                && !text[at + found.len()..].chars().next().is_some_and(word)
        })
    };
    names(difference.identity) || difference.before.is_some_and(names)
}

fn finding(difference: &CatalogueDifference<'_>) -> Finding {
    let CatalogueDifference { kind, identity, before, after } = *difference;
    let subject = format!("{kind} {identity}");
    let shown = |definition: Option<&str>| match definition {
        None => "nothing".to_owned(),
        Some("") => "it is there".to_owned(),
        Some(text) => text.to_owned(),
    };
    if kind == "valid index" {
        return Finding::new(
            FindingCode::IndexInvalid,
            format!("index {identity}"),
            shown(before),
            shown(after),
        )
        .remedy(format!("rebuild it with `reindex index concurrently {identity}`"));
    }
    let (code, remedy) = match (before, after) {
        (_, None) => (FindingCode::ObjectMissing, "create it again as expected"),
        (None, _) => (FindingCode::ObjectExtra, "find out where it comes from: the backup does not know it"),
        _ => (FindingCode::ObjectChanged, "define it again as expected"),
    };
    Finding::new(code, subject, shown(before), shown(after)).remedy(remedy)
}
