//! Replaces the content of a running server all at once, and keeps the old content until a judge agrees.
//!
//! The new content comes from a throw-away server that has proven that the backup loads. It is copied key by
//! key into unused databases of the damaged server, and compared there with what was recorded when the backup
//! was taken. Then one transaction exchanges the databases (`SWAPDB`) and the functions. Clients stay
//! connected, and see either the old state or the new one.
//!
//! A failed step loses nothing. Before the transaction the old state is untouched; after it, the old state is
//! in the databases that were unused before. It is removed if the judges agree, and put back if they
//! disagree.
//!
//! Other ways were rejected: `REPLICAOF` answers `-LOADING` while it loads, and needs a connection between
//! the servers; `FLUSHALL` followed by a load shows an empty server; with a new server in place of the old
//! one, every client must be told.

mod copy;
mod exchange;
mod plan;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use comeback_engine::clock::Stopwatch;
use comeback_error::{Error, Result};
use comeback_model::{KeyChange, KeyspaceFingerprint};

use self::copy::copy_all;
use self::exchange::Exchange;
use self::plan::Plan;
use super::address::RedisAddress;
use super::backup::fingerprint_server;
use super::client::RedisClient;
use super::restore::differing_names;

/// The result of a replacement. The old state still exists until [`settle`](Self::settle).
pub struct Replaced {
    /// Keys that were put in place.
    pub keys: u64,
    /// How long copying and comparing took, in milliseconds. Clients saw the old state meanwhile.
    pub copy_ms: u64,
    /// How long the exchange took, in microseconds. Clients had to wait meanwhile.
    pub exchange_us: u64,
    exchange: Exchange,
}

/// The judges' opinion of the new state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// It is what was backed up.
    Agreed,
    /// It is something else.
    Disagreed,
    /// They could not look.
    Unknown,
}

/// The outcome for the two states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// The new state serves, and the old one is gone.
    New,
    /// The old state serves again, and the new one is gone.
    Old,
    /// The new state serves, and the old one is kept: a person must decide.
    Both {
        /// Why it was not decided.
        why: &'static str,
        /// Commands that bring back the old state, except its functions.
        back: String,
        /// The key with the functions of the old state, as returned by `FUNCTION DUMP`, beside the old
        /// state's other keys.
        functions: String,
        /// Commands that remove the old state.
        remove: String,
    },
}

/// Replaces all content of `target` by that of `source`, which must match `recorded`.
///
/// Writes of clients to the old state during the copy are lost with it.
///
/// # Errors
///
/// The old state serves, and the spare databases are empty again, unless the error's hints say otherwise.
pub async fn replace_keyspace(
    source: &RedisAddress,
    target: &RedisAddress,
    recorded: &KeyspaceFingerprint,
) -> Result<Replaced> {
    let watch = Stopwatch::start();
    let plan = Plan::make(source, target).await?;
    let copied = async {
        let keys = copy_all(source, target, &plan).await?;
        let sizes = prove_copy(target, &plan, recorded).await?;
        Ok((keys, sizes))
    };
    let (keys, sizes) = match copied.await {
        Ok(copied) => copied,
        Err(obstacle) => return Err(plan.withdraw(target, obstacle).await),
    };
    let copy_ms = watch.elapsed_ms();
    let exchange = Exchange::run(source, target, plan, &sizes).await?;
    Ok(Replaced { keys, copy_ms, exchange_us: exchange.took_us(), exchange })
}

impl Replaced {
    /// The databases that hold the old state.
    pub fn set_aside(&self) -> Vec<u32> {
        self.exchange.set_aside()
    }

    /// Removes the old state if the judges agree, and puts it back if they disagree. Both states are kept if
    /// the judges could not look, or if they disagree and clients have written to the new state since, so
    /// that the difference may come from the clients.
    pub async fn settle(self, judgement: Judgement) -> Result<Settled> {
        match judgement {
            Judgement::Agreed => self.exchange.keep_new().await.map(|()| Settled::New),
            Judgement::Unknown => Ok(self.exchange.both("the judge could not look")),
            Judgement::Disagreed if self.exchange.was_written_to().await? => {
                Ok(self.exchange.both("clients have written to the new state: the difference may be theirs"))
            }
            Judgement::Disagreed => self.exchange.bring_back().await.map(|()| Settled::Old),
        }
    }
}

/// Why the copy cannot be put in place.
enum Obstacle {
    /// Keys of somebody else are among them, so nothing may be deleted.
    Stranger(Error),
    Other(Error),
}

impl From<Error> for Obstacle {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

/// How many keys each spare database may hold at the exchange: some may expire before it.
type Sizes = BTreeMap<u32, RangeInclusive<u64>>;

/// Compares the content of the spare databases with what was recorded.
async fn prove_copy(
    target: &RedisAddress,
    plan: &Plan,
    recorded: &KeyspaceFingerprint,
) -> Result<Sizes, Obstacle> {
    let found = fingerprint_server(target, recorded.edition).await?.fingerprint;
    let now_ms = RedisClient::connect(target, 0).await?.now_ms().await?;
    let sizes = plan.pairs.iter().map(|pair| {
        let (keys, expiring) =
            found.databases.get(&pair.spare).map_or((0, 0), |there| (there.keys, there.expiring));
        (pair.spare, keys - expiring..=keys)
    });
    let sizes = sizes.collect();
    // The functions come with the exchange.
    let mut copy = KeyspaceFingerprint {
        edition: found.edition,
        databases: BTreeMap::new(),
        functions: recorded.functions.clone(),
    };
    for pair in &plan.pairs {
        if let Some(there) = found.databases.get(&pair.spare) {
            copy.databases.insert(pair.database, there.clone());
        }
    }
    let comparison = recorded.compare(&copy, now_ms);
    if !comparison.differs() {
        return Ok(sizes);
    }
    let names = differing_names(&comparison).join(", ");
    let sentence = format!("the copy on the server is not what was backed up; different: {names}");
    let error = Error::could_not_verify(sentence).hint("nothing was replaced: the old state still serves");
    let is_extra = comparison.keys.iter().any(|key| matches!(key.change, KeyChange::Extra));
    if is_extra { Err(Obstacle::Stranger(plan.strangers(error))) } else { Err(Obstacle::Other(error)) }
}
