//! Judge of the writes: which transactions are there, which are missing, and which must not be there.

use async_trait::async_trait;
use comeback_engine::evidence::Loss;
use comeback_engine::judge::{Judge, Opinion};
use comeback_model::ledger::{Discrepancy, DiscrepancyKind, Expectation, Presence, Reach, TransactionState};
use comeback_model::{Finding, FindingCode, Ledger};

use crate::error::{Error, Result};
use crate::{PostgresAddress, WORKLOAD_TABLE, read_writes};

/// Compares what is left of a workload with what its ledger and the recovery target imply.
///
/// It looks at the workload's rows and prepared transactions, not at other tables.
pub struct LedgerJudge<'a> {
    /// The restored server.
    pub server: &'a PostgresAddress,
    /// The database that the workload wrote to.
    pub database: &'a str,
    /// The workload's ledger.
    pub ledger: &'a Ledger,
    /// The expectation that follows from the ledger and the target.
    pub expectation: &'a Expectation,
}

#[async_trait]
impl Judge for LedgerJudge<'_> {
    fn name(&self) -> &'static str {
        "ledger"
    }

    async fn judge(&self) -> Result<Opinion> {
        let count = |presence| self.expectation.count(presence);
        let (must, must_not) = (count(Presence::MustBeThere), count(Presence::MustNotBeThere));
        match self.expectation.reach {
            Reach::NotReached | Reach::BeforeConsistency => {
                return Err(Error::could_not_verify(
                    "by the ledger the target cannot be reached, and yet the server has opened",
                )
                .hint("compare the ledger with the server's log in the evidence"));
            }
            Reach::Reached | Reach::Unknown => {}
        }
        if must + must_not == 0 {
            return Err(Error::could_not_verify("the ledger holds no transaction that it is sure of")
                .hint("let the workload write for longer, and read the log before the disaster"));
        }
        let observed = read_writes(self.server, self.database, self.ledger).await?;
        let comparison = self.ledger.compare(self.expectation, &observed);
        let total = self.ledger.transactions.len();
        let open = count(Presence::MayBeThere);
        Ok(Opinion::new(
            format!(
                "looked for {total} transactions: {must} must be there, {must_not} must not, {open} may be"
            ),
            KINDS.iter().filter_map(|kind| self.finding(*kind, &comparison.discrepancies)),
        ))
    }
}

/// The most important first.
const KINDS: [DiscrepancyKind; 4] =
    [DiscrepancyKind::Torn, DiscrepancyKind::Lost, DiscrepancyKind::Resurrected, DiscrepancyKind::Phantom];

impl LedgerJudge<'_> {
    /// One finding for all writes that are wrong in the same way: their number, and the first of them.
    fn finding(&self, kind: DiscrepancyKind, all: &[Discrepancy]) -> Option<Finding> {
        let those: Vec<_> = all.iter().filter(|one| one.kind == kind).collect();
        let first = those.first()?;
        let mut transactions: Vec<_> = those.iter().map(|one| one.number).collect();
        transactions.dedup();
        let (code, remedy) = advice(kind);
        let more = match those.len() {
            1 => String::new(),
            count => format!("; {count} such writes, of {} transactions", transactions.len()),
        };
        let finding = Finding::new(
            code,
            WORKLOAD_TABLE,
            format!("{} ({})", first.expected, self.describe(first.number)),
            format!("{}{more}", first.actual),
        );
        Some(finding.key(first.name()).remedy(remedy))
    }

    /// Describes a transaction: `xid 812, acknowledged, committed at 0/152A3C8`.
    fn describe(&self, number: u64) -> String {
        let Some(transaction) = self.ledger.transaction(number) else {
            return "no transaction of the workload".to_owned();
        };
        let state = match transaction.state() {
            TransactionState::NotAttempted => "never committed",
            TransactionState::Aborted => "rolled back",
            TransactionState::Prepared => "prepared",
            TransactionState::Indeterminate => "its commit was never answered",
            TransactionState::Acknowledged => "acknowledged",
        };
        let place = self.ledger.commit_record(transaction);
        let place =
            place.map_or_else(String::new, |record| format!(", committed at {}, {}", record.lsn, record.at));
        format!("xid {}, {state}{place}", transaction.xid)
    }
}

fn advice(kind: DiscrepancyKind) -> (FindingCode, &'static str) {
    match kind {
        DiscrepancyKind::Lost => (
            FindingCode::WriteLost,
            "the log was not replayed to the target: see where the server says it stopped",
        ),
        DiscrepancyKind::Phantom => (
            FindingCode::WritePhantom,
            "replay went past the target, or a rollback was not replayed: restore again",
        ),
        DiscrepancyKind::Resurrected => (
            FindingCode::WriteResurrected,
            "a later write was not replayed on this row: check the files with amcheck",
        ),
        DiscrepancyKind::Torn => {
            (FindingCode::WriteTorn, "a transaction is all or nothing: do not use this server, restore again")
        }
    }
}

/// Measures the loss of a recovery: the acknowledged transactions that are missing, whether because of the
/// target or of the restore. `disaster_ms` is in milliseconds on the clock that the workload was started
/// with.
pub async fn measure_loss(
    server: &PostgresAddress,
    database: &str,
    ledger: &Ledger,
    expectation: &Expectation,
    disaster_ms: u64,
) -> Result<Loss> {
    let missing = ledger.compare(expectation, &read_writes(server, database, ledger).await?).missing;
    let lost = missing.iter().filter_map(|number| ledger.transaction(*number));
    let earliest_ms = lost.filter_map(comeback_model::ledger::Transaction::acknowledged_ms).min();
    Ok(Loss {
        lost_writes: missing.len() as u64,
        acknowledged_writes: ledger.count(TransactionState::Acknowledged) as u64,
        rpo_ms: earliest_ms.map_or(0, |at_ms| disaster_ms.saturating_sub(at_ms)),
    })
}
