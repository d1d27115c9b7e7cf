//! Judge that compares a restored cluster with what was recorded of an earlier verified restore.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use comeback_engine::artefact::RecordSlot;
use comeback_engine::clock::Clock;
use comeback_engine::judge::{Judge, Opinion};
use comeback_model::{
    Catalogue, ClusterProfile, DatabasePair, DatabaseProfile, Finding, FindingCode, NotLookedAt, Profile,
    RecordedPosition, Reference, ScopeKind, Tolerance, pair_databases,
};

use super::beside;
use super::carried::{leave_out, leave_out_owners};
use super::comparison::compare;
use super::frozen::{compare_frozen, read_frozen, values_of_others};
use super::majors::align;
use super::sequences::compare_positions;
use crate::content::profile::read_profile;
use crate::error::{Error, Result};
use crate::{Brings, PostgresAddress, reprint};

/// Compares definitions exactly, figures of tables within the tolerances, and frozen tables row by row. What is new is
/// told and no finding: an application grows. What the user accepts is told.
///
/// Roles, and the settings and grants of a database itself, are compared if both backups bring them. Not compared:
/// passwords, tablespaces and settings of every role in every database; the rows of unlogged tables and of tables
/// of extensions; positions of sequences that start anew at their end; what a dump does not carry.
pub struct ReferenceJudge<'a> {
    /// The restored server.
    pub server: &'a PostgresAddress,
    /// What was recorded; `None` to record only.
    pub reference: Option<&'a Reference>,
    /// Takes the profile of this restore, for the caller to record.
    pub record: Option<&'a RecordSlot>,
    /// What the backup brings beside the content of databases.
    pub brings: &'a Brings,
    /// The tables in which nothing changes any more: their rows are recorded as well.
    pub frozen: &'a BTreeSet<String>,
    /// How many connections read tables.
    pub jobs: usize,
}

#[async_trait]
impl Judge for ReferenceJudge<'_> {
    fn name(&self) -> &'static str {
        if self.reference.is_some() { "reference" } else { "record" }
    }

    async fn judge(&self) -> Result<Opinion> {
        let profile = read_profile(self.server, self.brings, self.jobs).await?;
        let tables = profile.tables();
        if let Some(slot) = self.record {
            let mut kept = profile.clone();
            self.keep_frozen(&mut kept).await?;
            slot.set(Profile::Postgres(kept));
        }
        if let Some(reference) = self.reference {
            return self.compare(reference, &profile).await;
        }
        Ok(Opinion::new(format!("read definitions, and figures of {tables} tables, to record"), []))
    }
}

impl ReferenceJudge<'_> {
    async fn compare(&self, reference: &Reference, profile: &ClusterProfile) -> Result<Opinion> {
        let Profile::Postgres(recorded) = &reference.profile else {
            return Err(other_store(reference, "PostgreSQL"));
        };
        let majors = (recorded.major, profile.major);
        let mut compared = Compared { not_looked_at: vec![values_of_others()], ..Compared::default() };
        let pairs = pair_databases(&recorded.databases, &profile.databases);
        let is_one_of_several =
            self.brings.databases.is_some() && pairs.iter().any(|pair| pair.restored.is_some());
        for DatabasePair { recorded: name, restored } in &pairs {
            let before = &recorded.databases[*name];
            match restored.and_then(|restored| profile.databases.get_key_value(restored)) {
                Some((restored, actual)) => {
                    compared.database(self.server, (name, restored), majors, before, actual).await?;
                }
                None if is_one_of_several => {
                    let why = "the backup does not hold it, and is of other databases alone";
                    compared.not_looked_at.push(NotLookedAt::new(ScopeKind::Database, *name, why));
                }
                None => {
                    let subject = format!("database {name}");
                    let finding = Finding::new(FindingCode::ObjectMissing, subject, "it is there", "nothing");
                    compared.findings.push(finding);
                }
            }
        }
        let (before, after) = beside::roles(recorded.roles.as_ref(), profile.roles.as_ref());
        compared.beside("roles, their memberships and their settings", before, after, majors);
        let Compared { definitions, tables, columns, new, findings, not_looked_at } = compared;
        let (findings, accepted) = reference.settle(findings, Clock::machine().today());
        let summary = format!(
            "compared {definitions} definitions, {tables} tables and {columns} columns with {}{}; {new} objects are new",
            reference.told(),
            renamed(&pairs),
        );
        Ok(Opinion::new(summary, findings).not_looked_at(not_looked_at).not_looked_at(accepted))
    }

    /// Adds the rows of frozen tables, also of those that the earlier reference holds.
    async fn keep_frozen(&self, profile: &mut ClusterProfile) -> Result<()> {
        let recorded = match self.reference.map(|reference| &reference.profile) {
            Some(Profile::Postgres(recorded)) => Some(&recorded.databases),
            _ => None,
        };
        let pairs = recorded.map(|recorded| pair_databases(recorded, &profile.databases)).unwrap_or_default();
        let earlier: BTreeMap<_, _> = pairs
            .iter()
            .filter_map(|pair| Some((pair.restored?.to_owned(), &recorded?.get(pair.recorded)?.frozen)))
            .collect();
        let mut not_found = self.frozen.clone();
        for (name, database) in &mut profile.databases {
            let mut names = self.frozen.clone();
            names.extend(earlier.get(name).into_iter().flat_map(|frozen| frozen.keys().cloned()));
            if !names.is_empty() {
                database.frozen = read_frozen(self.server, name, &names).await?;
                not_found.retain(|name| !database.frozen.contains_key(name));
            }
        }
        not_found.first().map_or(Ok(()), |name| {
            Err(Error::could_not_verify(format!("no restored table {name} could be frozen"))
                .hint("name tables with their schema, as in public.invoices"))
        })
    }
}

/// The error for a reference of another store.
pub(super) fn other_store(reference: &Reference, store: &str) -> Error {
    let of = reference.profile.store();
    Error::could_not_verify(format!("the reference is of {of}, and the backup is of {store}"))
        .hint("name the reference of this backup with --reference FILE")
}

/// Which databases were compared under different names.
fn renamed(pairs: &[DatabasePair<'_>]) -> String {
    let told = pairs.iter().filter_map(DatabasePair::renamed);
    told.map(|(recorded, restored)| [", database ", restored, " with ", recorded].concat()).collect()
}

#[derive(Default)]
struct Compared {
    definitions: usize,
    tables: usize,
    columns: usize,
    new: usize,
    findings: Vec<Finding>,
    not_looked_at: Vec<NotLookedAt>,
}

impl Compared {
    async fn database(
        &mut self,
        server: &PostgresAddress,
        (name, restored): (&str, &str),
        majors: (u32, u32),
        before: &DatabaseProfile,
        after: &DatabaseProfile,
    ) -> Result<()> {
        let (mut recorded, mut actual) = (before.catalogue.clone(), after.catalogue.clone());
        self.leave_out_sequences_without_order(&mut recorded);
        self.not_looked_at.extend(leave_out_owners(&mut recorded, &mut actual));
        comparable(server, restored, &mut recorded, &mut actual, majors).await?;
        self.new += keep_known(&recorded, &mut actual);
        self.definitions += recorded.len();
        let is_rolled_off = |finding: &Finding| {
            let table = finding.subject.strip_prefix("table ");
            table.is_some_and(|table| before.was_part_of_what_stays(table, after))
        };
        let missing_or_changed =
            compare(&recorded, &actual).into_iter().filter(|finding| !is_rolled_off(finding));
        self.findings.extend(missing_or_changed);
        self.findings.extend(compare_positions(&recorded.sequences, &actual.sequences).findings);
        let drift = before.drift(after, &Tolerance::default());
        self.tables += drift.tables;
        self.columns += drift.columns;
        // Where the rows are known, their figures add nothing.
        let is_open = |finding: &Finding| !before.frozen.keys().any(|table| is_of(&finding.subject, table));
        self.findings.extend(drift.findings.into_iter().filter(is_open));
        self.findings.extend(compare_frozen(server, restored, &before.frozen).await?);
        let what = format!("settings and grants of database {name}");
        self.beside(&what, beside::properties(before, name), beside::properties(after, name), majors);
        Ok(())
    }

    /// Compares what not every backup brings.
    fn beside(
        &mut self,
        what: &str,
        recorded: Option<Catalogue>,
        actual: Option<Catalogue>,
        majors: (u32, u32),
    ) {
        let why = match (recorded, actual) {
            (None, None) => return,
            (Some(mut recorded), Some(mut actual)) => {
                align_both(&mut recorded, &mut actual, majors);
                self.new += keep_known(&recorded, &mut actual);
                self.definitions += recorded.len();
                return self.findings.extend(compare(&recorded, &actual));
            }
            (Some(_), None) => "the backup does not bring them",
            (None, Some(_)) => "the reference was recorded from a backup that does not bring them",
        };
        self.not_looked_at.push(NotLookedAt::new(ScopeKind::ObjectKind, what, why));
    }

    fn leave_out_sequences_without_order(&mut self, recorded: &mut Catalogue) {
        let cycles =
            |position: &RecordedPosition| matches!(position, RecordedPosition::Whole(whole) if whole.cycle);
        let left_out =
            recorded.sequences.extract_if(.., |_, position| cycles(position) || position.is_unlogged());
        self.not_looked_at.extend(left_out.map(|(name, _)| {
            let why = "it starts anew at its end, or with a crash: weeks later it may stand anywhere";
            NotLookedAt::new(ScopeKind::SequencePosition, name, why)
        }));
    }
}

/// Whether a finding is about a table or a column of it.
fn is_of(subject: &str, table: &str) -> bool {
    subject.strip_prefix(table).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Brings both catalogues into a form in which equal definitions are equal texts. Either may come from a dump, after
/// which the server prints some of them differently: what differs is loaded again, from both sides.
pub(super) async fn comparable(
    server: &PostgresAddress,
    database: &str,
    recorded: &mut Catalogue,
    actual: &mut Catalogue,
    majors: (u32, u32),
) -> Result<()> {
    leave_out(recorded, actual);
    reprint(server, database, recorded, actual).await?;
    reprint(server, database, actual, recorded).await?;
    align_both(recorded, actual, majors);
    Ok(())
}

fn align_both(recorded: &mut Catalogue, actual: &mut Catalogue, (major_then, major): (u32, u32)) {
    if major_then <= major {
        align(recorded, actual, major_then, major);
    } else {
        align(actual, recorded, major, major_then);
    }
}

/// Removes objects that the reference does not know; returns how many.
fn keep_known(recorded: &Catalogue, actual: &mut Catalogue) -> usize {
    let before = actual.len();
    for (kind, objects) in &mut actual.objects {
        let known = recorded.objects.get(kind);
        objects.retain(|identity, _| known.is_some_and(|known| known.contains_key(identity)));
    }
    before - actual.len()
}
