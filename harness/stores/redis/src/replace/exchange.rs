//! The transaction that exchanges two states, and its reversal.

use std::collections::BTreeMap;

use comeback_engine::clock::Stopwatch;
use comeback_engine::secret::random_hex;
use comeback_error::{Error, ErrorKind, Result};
use redis::{Pipeline, Value, cmd, pipe};

use super::plan::{Pair, Plan};
use super::{Obstacle, Settled, Sizes};
use crate::address::RedisAddress;
use crate::client::{Info, RedisClient};
use crate::target::ensure_primary;

/// The new state is in place, and the old one is in the spare databases.
pub(super) struct Exchange {
    target: RedisAddress,
    plan: Plan,
    keys: Keys,
    /// The functions of the old state, as returned by `FUNCTION DUMP`.
    old_functions: Vec<u8>,
    took_us: u64,
    /// The number of the server's process, before the exchange.
    run_id: Option<String>,
    /// The server's change counter right after the exchange, if the server reported it.
    changes: Option<u64>,
}

impl Exchange {
    /// Checks the copy again, and exchanges the states.
    pub(super) async fn run(
        source: &RedisAddress,
        target: &RedisAddress,
        plan: Plan,
        sizes: &Sizes,
    ) -> Result<Self> {
        let prepared = async {
            let (from, to) = (RedisClient::connect(source, 0).await?, RedisClient::connect(target, 0).await?);
            let new_functions: Vec<u8> = from.ask(cmd("FUNCTION").arg("DUMP")).await?;
            let old_functions: Vec<u8> = to.ask(cmd("FUNCTION").arg("DUMP")).await?;
            let keys = Keys::set_marker(target, &plan).await?;
            look_again(&to.key_counts().await?, &plan, sizes)?;
            // Last: what is written to a server that was replaced meanwhile is lost.
            ensure_primary(target, &to).await.map_err(not_replaced)?;
            let run_id = run_id(&to).await?;
            Ok((to, new_functions, old_functions, keys, run_id))
        };
        let (to, new_functions, old_functions, keys, run_id) = match prepared.await {
            Ok(prepared) => prepared,
            Err(obstacle) => return Err(plan.withdraw(target, obstacle).await),
        };
        let mut all = swap(&plan.pairs);
        for pair in &plan.pairs {
            all.cmd("SELECT").arg(pair.database).cmd("DEL").arg(&keys.marker);
        }
        if let Some(pair) = plan.pairs.first() {
            all.cmd("SELECT").arg(pair.spare).cmd("SET").arg(&keys.functions).arg(&old_functions);
        }
        restore_functions(&mut all, &new_functions);
        all.cmd("INFO").arg("persistence");
        let watch = Stopwatch::start();
        let answer = to.ask_all::<Vec<Value>>("the exchange", &all).await;
        let took_us = u64::try_from(watch.elapsed().as_micros()).unwrap_or(u64::MAX);
        let mut exchange =
            Self { target: target.clone(), plan, keys, old_functions, took_us, run_id, changes: None };
        match answer {
            Ok(mut answers) => {
                exchange.changes = answers.pop().and_then(|info| changes(&Info::from_answer(info)?).ok());
                Ok(exchange)
            }
            Err(error) => Err(exchange.undo(error).await),
        }
    }

    pub(super) fn took_us(&self) -> u64 {
        self.took_us
    }

    pub(super) fn set_aside(&self) -> Vec<u32> {
        self.plan.pairs.iter().map(|pair| pair.spare).collect()
    }

    /// Reverses the exchange if it took place, after one that failed or whose answer was lost. Nothing is removed unless
    /// the server itself shows which state serves.
    async fn undo(self, error: Error) -> Error {
        let undone =
            async { if self.took_place().await? { self.swap_back(&self.plan.pairs).await } else { Ok(()) } };
        match undone.await {
            Ok(()) => {
                let error = error.hint("the old state serves, as before");
                self.plan.withdraw(&self.target, Obstacle::Other(error)).await
            }
            Err(unclear) => error
                .into_kind(ErrorKind::CouldNotVerify)
                .hint(format!("looking at what was exchanged failed too: {}", unclear.message()))
                .hint(self.where_things_are()),
        }
    }

    /// Whether the exchange took place: it sets the old functions' key where it removes every marker, all or nothing. A
    /// server that came back from an older file on disk has neither, or only some.
    async fn took_place(&self) -> Result<bool> {
        let Some(first) = self.plan.pairs.first() else { return Ok(false) };
        let to = RedisClient::connect(&self.target, 0).await?;
        if run_id(&to).await? != self.run_id {
            return Err(Error::could_not_verify(format!(
                "{} was restarted meanwhile, and may have come back from an older file",
                self.target
            )));
        }
        let has_functions = self.keys.exists(&self.keys.functions, &self.target, first.spare).await?;
        let mut marked = 0;
        for pair in &self.plan.pairs {
            marked += usize::from(self.keys.exists(&self.keys.marker, &self.target, pair.spare).await?);
        }
        match (has_functions, marked) {
            (true, 0) => Ok(true),
            (false, marked) if marked == self.plan.pairs.len() => Ok(false),
            _ => Err(Error::could_not_verify(format!(
                "{marked} of {} spare databases are marked as not exchanged, and the key {} {}",
                self.plan.pairs.len(),
                self.keys.functions,
                if has_functions { "exists" } else { "does not exist" }
            ))),
        }
    }

    /// The hint for a person when it is unknown which state serves.
    fn where_things_are(&self) -> String {
        let pairs = self.plan.pairs.iter().map(|pair| format!("{} and {}", pair.database, pair.spare));
        format!(
            "nothing was removed: the old state and the new one are in databases {}; look, and exchange them with \
             SWAPDB",
            pairs.collect::<Vec<_>>().join(", ")
        )
    }

    async fn swap_back(&self, pairs: &[Pair]) -> Result<()> {
        let to = RedisClient::connect(&self.target, 0).await?;
        let mut all = swap(pairs);
        for pair in pairs {
            all.cmd("SELECT").arg(pair.database).cmd("DEL").arg(&self.keys.functions);
        }
        restore_functions(&mut all, &self.old_functions);
        to.ask_all::<Vec<Value>>("bringing the old state back", &all).await.map(drop)
    }

    /// Removes the old state.
    pub(super) async fn keep_new(self) -> Result<()> {
        let to = RedisClient::connect(&self.target, 0).await?;
        ensure_primary(&self.target, &to).await.map_err(|error| {
            let places = self.where_things_are();
            error
                .into_kind(ErrorKind::CouldNotVerify)
                .context("looking again after the exchange")
                .hint(places)
        })?;
        self.plan.clear_spares(&self.target).await.map_err(|error| {
            error.hint(format!("the new state serves; the old one is still in {}", self.plan.spares()))
        })
    }

    /// Puts the old state back in place, and removes the new one.
    pub(super) async fn bring_back(self) -> Result<()> {
        let places = self.where_things_are();
        self.swap_back(&self.plan.pairs).await.map_err(|error| error.hint(places))?;
        self.plan.clear_spares(&self.target).await.map_err(|error| {
            error.hint(format!("the old state serves again; the new one is still in {}", self.plan.spares()))
        })
    }

    /// Whether somebody has written since the exchange.
    pub(super) async fn was_written_to(&self) -> Result<bool> {
        let client = RedisClient::connect(&self.target, 0).await?;
        Ok(Some(changes(&client.info("persistence").await?)?) != self.changes)
    }

    /// The result if both states are kept.
    pub(super) fn both(&self, why: &'static str) -> Settled {
        let commands =
            |of: &dyn Fn(&Pair) -> String| self.plan.pairs.iter().map(of).collect::<Vec<_>>().join("; ");
        Settled::Both {
            why,
            back: commands(&|pair| format!("SWAPDB {} {}", pair.database, pair.spare)),
            functions: self.keys.functions.clone(),
            remove: commands(&|pair| format!("SELECT {}; FLUSHDB", pair.spare)),
        }
    }
}

/// The number of the server's process, which a restart changes.
async fn run_id(client: &RedisClient) -> Result<Option<String>> {
    Ok(client.info("server").await?.get("run_id").map(ToOwned::to_owned))
}

/// The server's number of changes since its last save; every write increments it.
fn changes(persistence: &Info) -> Result<u64> {
    persistence.number("rdb_changes_since_last_save")
}

fn swap(pairs: &[Pair]) -> Pipeline {
    let mut all = pipe();
    all.atomic();
    for pair in pairs {
        all.cmd("SWAPDB").arg(pair.database).arg(pair.spare);
    }
    all
}

fn restore_functions(all: &mut Pipeline, functions: &[u8]) {
    all.cmd("FUNCTION").arg("RESTORE").arg(functions).arg("FLUSH").cmd("SELECT").arg(0);
}

/// The old state serves; a failover is not the user's mistake.
fn not_replaced(error: Error) -> Error {
    error
        .into_kind(ErrorKind::CouldNotVerify)
        .context("looking again before the exchange")
        .hint("nothing was exchanged: the old state serves")
}

/// The copy was compared a moment ago. Fails if somebody has written to it since, or has begun to use another
/// database.
fn look_again(there: &BTreeMap<u32, u64>, plan: &Plan, sizes: &Sizes) -> Result<(), Obstacle> {
    for (spare, size) in sizes {
        // The marker is one of the keys.
        let keys = there.get(spare).copied().unwrap_or(0).saturating_sub(1);
        if !size.contains(&keys) {
            return Err(Obstacle::Stranger(plan.strangers(Error::could_not_verify(format!(
                "database {spare} was to hold {} to {} keys, and holds {keys}: somebody else uses it",
                size.start(),
                size.end()
            )))));
        }
    }
    let known = |number: &u32| plan.pairs.iter().any(|pair| [pair.database, pair.spare].contains(number));
    if let Some(new) = there.keys().find(|number| !known(number)) {
        let sentence = format!("clients have begun to use database {new} while the backup was copied");
        return Err(Error::could_not_verify(sentence)
            .hint("the old state still serves: restore again, which takes that database in")
            .into());
    }
    Ok(())
}

/// Keys that the exchange itself uses.
struct Keys {
    /// Set in each spare database; the exchange moves and removes it. A database that still has it was not
    /// exchanged.
    marker: String,
    /// Set in the first spare database by the exchange; holds the functions of the old state.
    functions: String,
}

impl Keys {
    async fn set_marker(target: &RedisAddress, plan: &Plan) -> Result<Self> {
        let number = random_hex::<8>()?;
        let (marker, functions) =
            (format!("comeback:restore:{number}"), format!("comeback:functions:{number}"));
        for pair in &plan.pairs {
            let client = RedisClient::connect(target, pair.spare).await?;
            client.ask::<()>(cmd("SET").arg(&marker).arg(pair.database)).await?;
        }
        Ok(Self { marker, functions })
    }

    async fn exists(&self, key: &str, target: &RedisAddress, database: u32) -> Result<bool> {
        RedisClient::connect(target, database).await?.ask(cmd("EXISTS").arg(key)).await
    }
}
