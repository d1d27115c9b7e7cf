//! Judge of an application's writes up to its last moment: the server that took over has all of them.

use async_trait::async_trait;
use comeback_engine::judge::{Judge, Opinion};
use comeback_error::{Error, Result};
use comeback_model::{Finding, FindingCode, WriteLedger};

use crate::{RedisAddress, read_key_writes, write_key};

/// The subject of the finding.
pub(crate) const SUBJECT: &str = "database 0";

/// Looks for every acknowledged write.
pub struct AcknowledgedKeys<'a> {
    /// The server that took over.
    pub server: &'a RedisAddress,
    /// The ledger of the writes.
    pub ledger: &'a WriteLedger,
}

#[async_trait]
impl Judge for AcknowledgedKeys<'_> {
    fn name(&self) -> &'static str {
        "acknowledged-writes"
    }

    async fn judge(&self) -> Result<Opinion> {
        let acknowledged = self.ledger.acknowledged().count();
        if acknowledged == 0 {
            return Err(Error::could_not_verify("no write was acknowledged before the switch"));
        }
        let observed = read_key_writes(self.server, self.ledger).await?;
        let missing: Vec<_> = self.ledger.missing(&observed).collect();
        let first = missing.iter().min_by_key(|(_, answer)| answer.sequence);
        let finding = first.map(|(name, _)| {
            let actual = format!("{} of them are missing, from {} on", missing.len(), write_key(*name));
            Finding::new(FindingCode::WriteLost, SUBJECT, format!("{acknowledged} acknowledged writes"), actual)
                .remedy("the replica was promoted before it was in sync: take these keys from the server that was fenced")
        });
        Ok(Opinion::new(format!("looked for {acknowledged} acknowledged writes"), finding))
    }
}
