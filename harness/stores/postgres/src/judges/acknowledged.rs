//! Judge of the writes that a server accepted up to its last moment: the server that took its place has all of them.

use std::collections::BTreeSet;

use async_trait::async_trait;
use comeback_engine::judge::{Judge, Opinion};
use comeback_model::{Finding, FindingCode, WriteTry};

use crate::PostgresAddress;
use crate::error::{Error, Result};
use crate::probe::{TRIES, read_tries};

/// Looks for every write that a server accepted from a client that never stopped trying.
pub struct AcknowledgedTries<'a> {
    /// The server that took its place.
    pub server: &'a PostgresAddress,
    /// The database.
    pub database: &'a str,
    /// Every try at every server.
    pub tries: &'a [WriteTry],
    /// The name of the server that accepted them.
    pub accepted_by: &'a str,
}

#[async_trait]
impl Judge for AcknowledgedTries<'_> {
    fn name(&self) -> &'static str {
        "acknowledged-writes"
    }

    async fn judge(&self) -> Result<Opinion> {
        let Self { server, database, accepted_by, .. } = self;
        let accepted = self.tries.iter().filter(|one| one.server == *accepted_by && one.is_accepted());
        let accepted: BTreeSet<_> = accepted.map(|one| one.number).collect();
        if accepted.is_empty() {
            return Err(Error::could_not_verify(format!("{accepted_by} accepted no write")));
        }
        let there: BTreeSet<_> = read_tries(server, database, accepted_by).await?.into_iter().collect();
        let missing: Vec<_> = accepted.difference(&there).collect();
        let finding = missing.first().map(|first| {
            let actual = format!("{} of them are missing, from number {first} on", missing.len());
            Finding::new(FindingCode::WriteLost, TRIES, format!("{} acknowledged writes", accepted.len()), actual)
                .remedy("the server was promoted before it had everything: take these writes from the server that was fenced")
        });
        Ok(Opinion::new(format!("looked for {} writes that {accepted_by} accepted", accepted.len()), finding))
    }
}
