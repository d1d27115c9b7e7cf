//! Judge of an application's writes to a key-value store: those before the snapshot must be there, later ones
//! must not.

use async_trait::async_trait;
use comeback_engine::evidence::Loss;
use comeback_engine::judge::{Judge, Opinion};
use comeback_error::{Error, Result};
use comeback_model::{Finding, FindingCode, ForkMoment, ObservedWrites, WriteDiscrepancy, WriteLedger};

use crate::write_key;

/// Compares the writes that are there with the ledger and the moment of the snapshot.
pub struct KeyWritesJudge<'a> {
    /// The ledger of the writes.
    pub ledger: &'a WriteLedger,
    /// The moment of the snapshot.
    pub fork: ForkMoment,
    /// The writes that the restored server has.
    pub observed: &'a ObservedWrites,
}

#[async_trait]
impl Judge for KeyWritesJudge<'_> {
    fn name(&self) -> &'static str {
        "ledger"
    }

    async fn judge(&self) -> Result<Opinion> {
        let (least, most) = self.ledger.bounds(self.fork);
        let total = self.ledger.acknowledged().count();
        if least == 0 || most == u64::MAX {
            return Err(Error::could_not_verify(
                "the ledger holds no write from before, or none from after the snapshot",
            )
            .hint("let the workload write for longer"));
        }
        let differences = self.ledger.compare(self.fork, self.observed);
        Ok(Opinion::new(
            format!(
                "looked for {total} acknowledged writes: the first {} must be there, the others must not",
                self.observed.sequence
            ),
            differences.into_iter().map(finding),
        ))
    }
}

fn finding(difference: WriteDiscrepancy) -> Finding {
    let of_key = |code, name, expected: &str, actual: &str| {
        Finding::new(code, "database 0", expected, actual).key(format!("key={}", write_key(name)))
    };
    match difference {
        WriteDiscrepancy::Lost(name) => {
            of_key(FindingCode::WriteLost, name, "an acknowledged write from before the snapshot", "nothing")
                .remedy("restore again: the snapshot does not hold what it must")
        }
        WriteDiscrepancy::Phantom(name) => {
            of_key(FindingCode::WritePhantom, name, "nothing: it was written after the snapshot", "the write")
                .remedy("find out what else was loaded: an append-only file, or a replica")
        }
        WriteDiscrepancy::Counter { least, most, actual } => {
            let expected = format!("the counter between {least} and {most}");
            Finding::new(FindingCode::WriteTorn, "database 0", expected, actual.to_string())
                .key("key=ledger:sequence")
                .remedy("this is a snapshot of another moment: find out which one")
        }
    }
}

/// Measures the loss of a recovery: the acknowledged writes that are missing. `disaster_ms` is in
/// milliseconds on the clock that the workload was started with.
pub fn measure_key_loss(ledger: &WriteLedger, observed: &ObservedWrites, disaster_ms: u64) -> Loss {
    let missing = || ledger.missing(observed);
    let earliest_ms = missing().map(|(_, answer)| answer.at_ms).min();
    Loss {
        lost_writes: missing().count() as u64,
        acknowledged_writes: ledger.acknowledged().count() as u64,
        rpo_ms: earliest_ms.map_or(0, |at_ms| disaster_ms.saturating_sub(at_ms)),
    }
}
