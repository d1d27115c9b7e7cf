//! The disaster: a corrupted cache. The live server answers, but with wrong data.

use comeback_error::{Error, Result};
use redis::{cmd, pipe};

use super::damages::{Candidate, DATABASE, candidates};
use super::{RedisAddress, RedisClient};

/// One of this many qualifying keys is corrupted.
const ONE_IN: usize = 5;
/// How many stray keys are added.
const STRAYS: usize = 50;

/// What was corrupted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Corruption {
    /// Values that were overwritten.
    pub values: usize,
    /// Keys that got a value of another type.
    pub types: usize,
    /// Keys with an expiry that was removed.
    pub expiries: usize,
    /// Keys that were added.
    pub strays: usize,
}

/// Corrupts a running server: overwrites values, changes types, makes expiries permanent, adds stray keys.
/// The key `always` is overwritten in any case.
pub async fn corrupt_keyspace(server: &RedisAddress, always: &str, seed: u64) -> Result<Corruption> {
    let client = RedisClient::connect(server, DATABASE).await?;
    let all = candidates(&client).await?;
    let of = |wanted: &dyn Fn(&Candidate) -> bool| {
        let qualified = all.iter().filter(|one| one.key != always && wanted(one));
        let first = usize::try_from(seed % ONE_IN as u64).unwrap_or(0);
        qualified.skip(first).step_by(ONE_IN).map(|one| one.key.clone()).collect::<Vec<_>>()
    };
    let values = of(&|one| one.kind == "string");
    let types = of(&|one| one.kind == "hash" && one.expires_in_ms == -1);
    let expiries = of(&|one| one.kind == "hash" && one.expires_in_ms > 0);
    let mut commands = pipe();
    commands.cmd("SET").arg(always).arg("corrupted").ignore();
    for key in &values {
        // The expiry stays, so that nobody notices before the value is used.
        commands.cmd("SET").arg(key).arg("<html>502 Bad Gateway</html>").arg("KEEPTTL").ignore();
    }
    for key in &types {
        commands.cmd("DEL").arg(key).ignore().cmd("RPUSH").arg(key).arg("stale").ignore();
    }
    for key in &expiries {
        commands.cmd("PERSIST").arg(key).ignore();
    }
    for stray in 0..STRAYS {
        commands.cmd("SET").arg(format!("cache:stray:{seed}:{stray}")).arg("somebody else's page").ignore();
    }
    client.ask_all::<()>("corrupting the server", &commands).await?;
    let there: Option<String> = client.ask(cmd("GET").arg(always)).await?;
    if there.as_deref() != Some("corrupted") || values.is_empty() || types.is_empty() || expiries.is_empty() {
        return Err(Error::could_not_verify("the server held too little to be corrupted in every way")
            .hint("use a larger scale"));
    }
    Ok(Corruption { values: values.len() + 1, types: types.len(), expiries: expiries.len(), strays: STRAYS })
}

/// Prints a sentence for the evidence.
impl std::fmt::Display for Corruption {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { values, types, expiries, strays } = self;
        write!(
            f,
            "{values} values overwritten, {types} types changed, {expiries} expiries made permanent, {strays} stray keys added"
        )
    }
}
