//! Moves a service to another address: its record is replaced, and the old one outlived.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use comeback_engine::clock::Stopwatch;
use comeback_engine::runner::Course;
use comeback_engine::wait;
use comeback_error::{Error, Result};
use comeback_model::Phase;

use crate::client::{Answer, Swap, ask, serial, swap};
use crate::zone::{AddressRecord, ServiceName, UpdateKey};

/// How long the authoritative servers may take to agree. A NOTIFY starts a transfer at once.
const AGREEMENT_LIMIT: Duration = Duration::from_secs(10);
/// How much longer than its TTL a cache may keep a record: TTLs count whole seconds.
const CACHE_GRACE: Duration = Duration::from_secs(5);

/// A record to move, and everybody who must follow.
pub struct Failover<'a> {
    /// The service's name.
    pub name: &'a ServiceName,
    /// The key that signs the update.
    pub key: &'a UpdateKey,
    /// Every authoritative server with its name in reports; the first takes updates.
    pub authoritative: &'a [(&'static str, SocketAddrV4)],
    /// A resolver that clients ask.
    pub resolver: SocketAddrV4,
}

/// A record that was moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// The record that was replaced.
    pub old: AddressRecord,
    /// The record in its place.
    pub new: AddressRecord,
    /// The serial of the zone before.
    pub old_serial: u32,
    /// What the resolver answered right after the change.
    pub cached: Answer,
    /// What the resolver answered at last, and how long after the change, in milliseconds.
    pub outlived: (Answer, u64),
    /// How long the TTL of the old record was waited for beyond everything else, in milliseconds: never longer than
    /// that TTL.
    pub ttl_wait_ms: u64,
}

impl Failover<'_> {
    /// Replaces the record by one with the address and the TTL of `new`, if its address still is that of `expected`,
    /// and waits until every authoritative server and the resolver's cache have followed. A server that does not follow
    /// is for the judges.
    pub async fn carry_out(&self, course: &Course, expected: Ipv4Addr, new: AddressRecord) -> Result<Moved> {
        let Self { name, key, authoritative, resolver } = self;
        course.step(Phase::Recover, "read the record at every authoritative server");
        let (old, old_serial) = self.read(course, expected).await?;
        course.note(format!("{name} is {old} at {} name servers", authoritative.len()));

        course.step(Phase::Recover, "change the record, and only if it still says what we think it says");
        let primary = self.primary()?;
        if swap(primary, key, name, old, new).await? == Swap::Stale {
            return Err(refused(name, &old.to_string(), &ask(primary, name).await?));
        }
        let watch = Stopwatch::start();
        let cached = ask(*resolver, name).await.map_err(|error| {
            error.context(format_args!("{name} is {new} now, and nobody knows who follows"))
        })?;
        course.note(format!("{name} is {new}; the resolver still says {cached}"));

        course.step(Phase::Recover, "ask every authoritative server");
        for (server, address) in *authoritative {
            let what = format!("{server} to follow");
            let agreed = wait::until(&what, AGREEMENT_LIMIT, async || match ask(*address, name).await {
                Ok(answer) if answer.record() == Some(new) => Ok(()),
                Ok(answer) => Err(answer.to_string()),
                Err(error) => Err(error.message().to_owned()),
            });
            if let Err(error) = agreed.await {
                course.note(error.message());
            }
        }
        let agreed_ms = watch.elapsed_ms();

        course.step(Phase::Recover, "wait until the resolver has forgotten the old record");
        let limit = Duration::from_secs(old.ttl_s.into()) + CACHE_GRACE;
        let limit = limit.saturating_sub(watch.elapsed()).max(Duration::from_millis(1));
        let mut last = cached.clone();
        let forgotten = wait::until("the resolver to forget the old record", limit, async || {
            match ask(*resolver, name).await {
                Ok(answer) if answer.is_at(new.address) => Ok(answer),
                Ok(answer) => Err(answer.to_string()),
                Err(error) => Err(error.message().to_owned()),
            }
        })
        .await;
        match forgotten {
            Ok(answer) => last = answer,
            Err(error) => course.note(error.message()),
        }
        let outlived_ms = watch.elapsed_ms();
        let ttl_wait_ms = outlived_ms.saturating_sub(agreed_ms).min(u64::from(old.ttl_s) * 1_000);
        Ok(Moved { old, new, old_serial, cached, outlived: (last, outlived_ms), ttl_wait_ms })
    }

    fn primary(&self) -> Result<SocketAddrV4> {
        let first = self.authoritative.first().map(|(_, address)| *address);
        first.ok_or_else(|| Error::usage("no authoritative server was named"))
    }

    /// The record at the first server, and the serial of its zone. Every server that answers must have the expected
    /// address. Another one than the first may be lost with its region: that stops nobody.
    async fn read(&self, course: &Course, expected: Ipv4Addr) -> Result<(AddressRecord, u32)> {
        let (name, primary) = (self.name, self.primary()?);
        let mut first = None;
        for (server, address) in self.authoritative {
            let answer = match ask(*address, name).await {
                Err(error) if *address != primary => {
                    course.note(format!("{server} does not answer: {}", error.message()));
                    continue;
                }
                answer => answer?,
            };
            let record = answer.record().filter(|record| record.address == expected).ok_or_else(|| {
                refused(name, &format!("A {expected}"), &answer).context(format_args!("at {server}"))
            })?;
            first = first.or(Some(record));
        }
        let record = first.ok_or_else(|| Error::could_not_verify("no authoritative server answers"))?;
        Ok((record, serial(primary, name).await?))
    }
}

fn refused(name: &ServiceName, expected: &str, there: &Answer) -> Error {
    Error::could_not_verify(format!(
        "{name} was expected to be {expected}, and is {there}: nothing was changed"
    ))
    .hint("find out who changed it; then name the address that it has now")
}
