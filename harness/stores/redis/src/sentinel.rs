//! Asks sentinels which server is the primary.
//!
//! Each sentinel is asked, because one that is cut off keeps naming the server that it knew. Where they name different
//! servers, the one of the newest configuration counts: each failover raises its number (`config-epoch`), and sentinels
//! themselves decide by it. The server that is named must be a primary in its own opinion too. Source: Redis,
//! "Guidelines for Redis clients with support for Sentinel".

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use comeback_engine::wait;
use comeback_error::{Error, ErrorKind, Result};
use redis::cmd;
use tokio::task::JoinSet;

use super::address::{RedisAddress, RedisUrl, Sentinels};
use super::client::RedisClient;
use super::dial::is_listening;

/// How long a failover may take, from here.
const FAILOVER_LIMIT: Duration = Duration::from_secs(30);

/// The server that an address leads to.
#[derive(Debug, Clone)]
pub struct FoundServer {
    /// Its own address.
    pub address: RedisAddress,
    /// What a person should know about the sentinels: those that do not answer, or name another server.
    pub notes: Vec<String>,
}

/// Finds the server that a user named: asks the sentinels, and waits for a failover to end.
///
/// # Errors
///
/// A name that no sentinel knows is wrong usage.
pub async fn find_server(url: &RedisUrl) -> Result<FoundServer> {
    let sentinels = match url {
        RedisUrl::Server(address) => return Ok(FoundServer { address: address.clone(), notes: Vec::new() }),
        RedisUrl::Sentinels(sentinels) => sentinels,
    };
    let what = format!("the sentinels of {} to name a primary", sentinels.name);
    wait::until(&what, FAILOVER_LIMIT, async || match look(sentinels).await {
        Ok(found) => Ok(Ok(found)),
        Err(NotFound::Yet(seen)) => Err(seen),
        Err(NotFound::AtAll(error)) => Ok(Err(error)),
    })
    .await
    .map_err(|error| {
        error
            .hint("a failover does not end, or the primary is down: redis-cli -p 26379 SENTINEL MASTERS says more")
            .hint("or this machine does not reach it where they name it: sentinel announce-ip, or name the server")
    })?
}

/// Fails if the sentinels that named the server name another one by now, or if no more than half of them name it: those
/// that are cut off with an old primary keep naming it. Without sentinels there is nothing to ask.
pub(super) async fn ensure_still_named(address: &RedisAddress) -> Result<()> {
    let Some(sentinels) = address.sentinels() else { return Ok(()) };
    let (primary, notes) = match decide(&sentinels.name, ask_all(sentinels).await) {
        Ok(decided) => decided,
        Err(NotFound::Yet(seen)) => return Err(Error::could_not_verify(seen)),
        Err(NotFound::AtAll(error)) => return Err(error.into_kind(ErrorKind::CouldNotVerify)),
    };
    let now = RedisAddress::named_by(sentinels, &primary.host, primary.port);
    if now.is_same_place(address) {
        let (all, agreeing) = (sentinels.places.len(), sentinels.places.len().saturating_sub(notes.len()));
        return if is_majority(agreeing, all) { Ok(()) } else { Err(too_few(agreeing, all, address, notes)) };
    }
    Err(Error::could_not_verify(format!(
        "{now} is the primary of {} now, and no longer {address}",
        sentinels.name
    ))
    .hint("there was a failover: restore again, onto the new primary"))
}

/// Whether more than half agree.
fn is_majority(agreeing: usize, all: usize) -> bool {
    agreeing * 2 > all
}

fn too_few(agreeing: usize, all: usize, address: &RedisAddress, notes: Vec<String>) -> Error {
    let error = Error::could_not_verify(format!(
        "{agreeing} of {all} sentinels name {address} as the primary: a restore needs more than half of them"
    ));
    let error = notes.into_iter().fold(error, Error::hint);
    error.hint("start the others, or name only the sentinels that there are")
}

/// Why there is no primary to work with.
#[derive(Debug)]
enum NotFound {
    /// A failover may be in progress.
    Yet(String),
    /// Asking again would not help.
    AtAll(Error),
}

async fn look(sentinels: &Arc<Sentinels>) -> Result<FoundServer, NotFound> {
    let (primary, notes) = decide(&sentinels.name, ask_all(sentinels).await)?;
    let address = RedisAddress::named_by(sentinels, &primary.host, primary.port);
    if !is_listening(&address).await {
        return Err(NotFound::Yet(format!("they name {address}, and nothing listens there")));
    }
    let role = async {
        let client = RedisClient::connect(&address, 0).await?;
        let (info, persistence) = (client.info("replication").await?, client.info("persistence").await?);
        let is_loading = persistence.get("loading") == Some("1");
        Ok::<_, Error>((info.get("role").unwrap_or("unknown").to_owned(), is_loading))
    };
    // A server that starts or stops may serve in a moment; a wrong password stays wrong.
    let passes = |error: Error| match error.message() {
        said if address.tls().is_none() && (said.contains("hung up") || said.contains("LOADING")) => {
            NotFound::Yet(format!("they name {address}, which does not answer: {said}"))
        }
        _ => NotFound::AtAll(error),
    };
    let (role, is_loading) = role.await.map_err(passes)?;
    match role.as_str() {
        "master" if is_loading => {
            Err(NotFound::Yet(format!("they name {address}, which is loading its data")))
        }
        "master" => Ok(FoundServer { address, notes }),
        role => Err(NotFound::Yet(format!("they name {address}, and its role is {role}"))),
    }
}

/// What one sentinel says about a name.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Said {
    Primary(Primary),
    Unknown,
    Nothing { why: String, hints: Vec<String> },
}

/// A primary, and the number of the configuration that made it so.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Primary {
    host: String,
    port: u16,
    epoch: u64,
}

/// Each sentinel's answer, in the order of the address.
async fn ask_all(sentinels: &Arc<Sentinels>) -> Vec<(String, Said)> {
    let mut asked = JoinSet::new();
    for (number, place) in sentinels.places.iter().enumerate() {
        let address = RedisAddress::of_sentinel(sentinels, place);
        let name = sentinels.name.clone();
        asked.spawn(async move {
            let said = ask(&address, &name).await.unwrap_or_else(|error| Said::Nothing {
                why: error.message().to_owned(),
                hints: error.hints().to_vec(),
            });
            (number, (address.server(), said))
        });
    }
    let answers: BTreeMap<_, _> = asked.join_all().await.into_iter().collect();
    answers.into_values().collect()
}

async fn ask(sentinel: &RedisAddress, name: &str) -> Result<Said> {
    let client = RedisClient::connect(sentinel, 0).await.map_err(|error| {
        if error.message().contains("password") {
            Error::could_not_verify(error.message())
                .hint("give the password of the sentinels in a file: --sentinel-password-file FILE")
                .hint("for another user than `default`: redis+sentinel://…/NAME?sentinel-user=USER")
        } else {
            error
        }
    })?;
    let info = client.info("server").await?;
    if info.get("redis_mode") != Some("sentinel") {
        return Err(Error::could_not_verify(format!("{} is no sentinel", sentinel.server())).hint(
            "a sentinel listens at port 26379 by default; for a server itself, write redis://HOST:PORT",
        ));
    }
    let place: Option<(String, u16)> =
        client.ask(cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(name)).await?;
    let Some((host, port)) = place else { return Ok(Said::Unknown) };
    let fields: BTreeMap<String, String> = client.ask(cmd("SENTINEL").arg("MASTER").arg(name)).await?;
    let epoch = fields.get("config-epoch").and_then(|epoch| epoch.parse().ok()).unwrap_or_default();
    Ok(Said::Primary(Primary { host, port, epoch }))
}

/// The primary that the sentinels name, and what is to be said about those that do not name it.
fn decide(name: &str, answers: Vec<(String, Said)>) -> Result<(Primary, Vec<String>), NotFound> {
    let named = answers.iter().filter_map(|(_, said)| match said {
        Said::Primary(primary) => Some(primary),
        _ => None,
    });
    let Some(newest) = named.clone().max_by_key(|primary| primary.epoch).cloned() else {
        return Err(NotFound::AtAll(nobody(name, answers)));
    };
    let is_newest = |primary: &&Primary| primary.epoch == newest.epoch;
    if let Some(other) = named.filter(is_newest).find(|primary| **primary != newest) {
        let [one, two] = [&newest, other].map(|primary| format!("{}:{}", primary.host, primary.port));
        return Err(NotFound::Yet(format!(
            "the sentinels disagree: {one} or {two}, both by configuration {}",
            newest.epoch
        )));
    }
    let note = |(place, said): (String, Said)| match said {
        Said::Primary(primary) if (&primary.host, primary.port) == (&newest.host, newest.port) => None,
        Said::Primary(primary) => Some(format!(
            "the sentinel {place} names {}:{} by configuration {}, and others name {}:{} by {}, which is newer",
            primary.host, primary.port, primary.epoch, newest.host, newest.port, newest.epoch
        )),
        Said::Unknown => Some(format!("the sentinel {place} does not know {name}")),
        Said::Nothing { why, .. } => Some(format!("a sentinel does not answer: {why}")),
    };
    let notes = answers.into_iter().filter_map(note).collect();
    Ok((newest, notes))
}

/// The error if no sentinel names a primary.
fn nobody(name: &str, answers: Vec<(String, Said)>) -> Error {
    let knows_not = answers.iter().filter(|(_, said)| *said == Said::Unknown).count();
    let silent = answers.into_iter().filter_map(|(_, said)| match said {
        Said::Nothing { why, hints } => Some((why, hints)),
        _ => None,
    });
    if knows_not > 0 {
        let error = Error::usage(format!("no sentinel knows a primary {name}")).hint(
            "the name is that of `sentinel monitor`: redis-cli -p 26379 SENTINEL MASTERS lists the names",
        );
        return silent.fold(error, |error, (why, _)| error.hint(format!("one did not answer: {why}")));
    }
    let (mut whys, mut hints) = (Vec::new(), Vec::<String>::new());
    for (why, more) in silent {
        whys.push(why);
        hints.extend(more.into_iter().filter(|hint| !hints.contains(hint)).collect::<Vec<_>>());
    }
    let Some((first, others)) = whys.split_first() else {
        return Error::usage("the address names no sentinel");
    };
    let error = Error::could_not_verify(format!("no sentinel answers: {first}"));
    let error = others.iter().fold(error, |error, why| error.hint(format!("and another: {why}")));
    hints.into_iter().fold(error, Error::hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn primary(host: &str, epoch: u64) -> Said {
        Said::Primary(Primary { host: host.to_owned(), port: 6379, epoch })
    }

    fn decided(answers: &[Said]) -> Result<(Primary, Vec<String>), NotFound> {
        let places = ["one", "two", "three"].map(ToOwned::to_owned);
        decide("cache", places.into_iter().zip(answers.iter().cloned()).collect())
    }

    fn nothing() -> Said {
        Said::Nothing { why: "nothing listens there".to_owned(), hints: vec!["check the port".to_owned()] }
    }

    #[test]
    fn the_newest_configuration_counts_and_the_others_are_told_of() {
        let (found, notes) = decided(&[primary("a", 1), primary("a", 1), primary("a", 1)]).unwrap();
        assert_eq!((found.host.as_str(), notes.len()), ("a", 0));
        // It has the same server with an older number: it will learn the newer one.
        let (found, notes) = decided(&[primary("a", 1), primary("a", 2)]).unwrap();
        assert_eq!((found.epoch, notes.len()), (2, 0));
        let (found, notes) = decided(&[primary("a", 1), primary("b", 2), nothing()]).unwrap();
        assert_eq!(found.host, "b");
        assert!(notes[0].contains("one names a:6379 by configuration 1"), "{notes:?}");
        assert!(notes[1].contains("does not answer: nothing listens"), "{notes:?}");
        let (_, notes) = decided(&[Said::Unknown, primary("b", 2)]).unwrap();
        assert!(notes[0].contains("one does not know cache"), "{notes:?}");
    }

    #[test]
    fn a_restore_needs_more_than_half() {
        for (agreeing, all, is_enough) in [(1, 1, true), (1, 2, false), (2, 3, true), (1, 3, false)] {
            assert_eq!(is_majority(agreeing, all), is_enough, "{agreeing} of {all}");
        }
    }

    #[test]
    fn without_one_answer_there_is_no_primary() {
        let error = |answers: &[Said]| match decided(answers) {
            Err(NotFound::AtAll(error)) => error,
            other => panic!("{other:?}"),
        };
        match decided(&[primary("a", 2), primary("b", 2), primary("a", 1)]) {
            Err(NotFound::Yet(seen)) => assert!(seen.contains("disagree"), "{seen}"),
            other => panic!("{other:?}"),
        }
        let unknown = error(&[nothing(), Said::Unknown]);
        assert_eq!(unknown.kind(), ErrorKind::Usage);
        assert!(unknown.message().contains("no sentinel knows a primary cache"), "{unknown}");
        assert!(unknown.hints()[1].contains("nothing listens"), "{unknown}");
        let silent = error(&[nothing(), nothing()]);
        assert_eq!(silent.kind(), ErrorKind::CouldNotVerify);
        assert_eq!(silent.hints(), ["and another: nothing listens there", "check the port"]);
    }
}
