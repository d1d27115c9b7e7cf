//! Replaces what a running server holds, all at once, and keeps what it held until a judge agrees.
//!
//! The content comes from another server, a throw-away one that has proven that the backup loads. Key by key it
//! goes into databases of the damaged server that nobody uses. There it is compared with what was recorded when the
//! backup was taken. Then one transaction exchanges the databases (`SWAPDB`) and the functions. Clients stay
//! connected, and see the old state or the new one, and nothing in between.
//!
//! Nothing is lost where a step fails: before the transaction the old state was not touched, and after it the old
//! state is in the databases that were free before. It goes when the judges agree, and comes back when they do not.
//!
//! Other ways: `REPLICAOF` answers `-LOADING` while it loads and needs a way for the servers to reach each other,
//! `FLUSHALL` followed by a load shows an empty server, and a new server in place of the old one needs every client
//! to be told.

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

/// What a replacement did. The old state is still there: [`settle`](Self::settle) ends that.
pub struct Replaced {
    /// Keys that were put in place.
    pub keys: u64,
    /// How long copying and comparing took, during which clients saw the old state, in milliseconds.
    pub copy_ms: u64,
    /// How long the exchange took, for which clients had to wait, in microseconds.
    pub exchange_us: u64,
    exchange: Exchange,
}

/// What the judges say of the new state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// It is what was backed up.
    Agreed,
    /// It is not.
    Disagreed,
    /// They could not look.
    Unknown,
}

/// What became of the two states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// The new state serves, and the old one is gone.
    New,
    /// The old state serves again, and the new one is gone.
    Old,
    /// The new state serves, and the old one is kept, because only a person can decide.
    Both {
        /// Why nothing was decided.
        why: &'static str,
        /// Commands that bring the old state back, but for its functions.
        back: String,
        /// The key that holds the functions of the old state, beside its other keys, as `FUNCTION DUMP` gives them.
        functions: String,
        /// Commands that remove the old state.
        remove: String,
    },
}

/// Replaces everything that `target` holds by everything that `source` holds, which has to be `recorded`.
///
/// Writes that clients make to the old state while this copies are gone with it.
///
/// # Errors
/// The old state serves, and the free databases are free again, unless the error's hints say otherwise.
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

    /// Removes the old state if the judges agree, and brings it back if they do not. If they could not look, or
    /// clients have written to the new state since, so that its difference may be theirs, both are kept.
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
    /// Somebody else's keys are among them: nothing may be cleared away.
    Stranger(Error),
    Other(Error),
}

impl From<Error> for Obstacle {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

/// How many keys each spare database may hold when it is put in place: some may expire until then.
type Sizes = BTreeMap<u32, RangeInclusive<u64>>;

/// Compares what is in the spare databases with what was recorded.
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
