//! Writes that a primary acknowledged and never replicated: they are in its own data directory alone.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use comeback_model::ledger::{Expectation, Replay, write_name};
use comeback_model::{Ledger, RecoveryPoint, RecoveryTarget};

use crate::connection::address::PostgresAddress;
use crate::error::Result;
use crate::workload::read_writes;

/// What a ledger expects of a server that has everything.
pub fn everything(ledger: &Ledger) -> Expectation {
    ledger.expectation(&RecoveryTarget::including(RecoveryPoint::Latest), &Replay::default())
}

/// The acknowledged transactions of a ledger that a server does not have, by their numbers.
pub async fn missing_transactions(
    server: &PostgresAddress,
    database: &str,
    ledger: &Ledger,
) -> Result<BTreeSet<u64>> {
    let observed = read_writes(server, database, ledger).await?;
    Ok(ledger.compare(&everything(ledger), &observed).missing)
}

/// A list of transactions for people who merge them by hand: a line for each row, without its value.
pub fn list_transactions(ledger: &Ledger, numbers: &BTreeSet<u64>) -> String {
    let mut text = String::new();
    for transaction in numbers.iter().filter_map(|number| ledger.transaction(*number)) {
        let at_ms = transaction.acknowledged_ms().unwrap_or_default();
        for operation in transaction.effects() {
            let name = write_name(transaction.number, Some(operation.key));
            let verb = operation.change.verb();
            let _ = writeln!(text, "{name}: {verb}, xid {}, acknowledged at {at_ms} ms", transaction.xid);
        }
    }
    text
}
