//! Name servers, updates of a record by compare-and-swap, and what a failover refuses.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;

use comeback_dns::judges::{AuthoritativeJudge, CacheJudge, ConnectionsJudge};
use comeback_dns::procedures::{Failover, Moved};
use comeback_dns::{
    AddressRecord, Answer, NameServers, ServiceName, Swap, UpdateKey, Visit, ask, serial, swap,
};
use comeback_engine::clock::Clock;
use comeback_engine::evidence::Journal;
use comeback_engine::judge::Judge as _;
use comeback_engine::repository::LocalRepository;
use comeback_engine::runner::{Course, CourseSettings};
use comeback_error::{ErrorKind, Result};
use serde_json::Value;

use crate::kit::place::{Place, text};
use crate::kit::require::{docker_is_here, named_is_here};
use crate::kit::substrate_bench::SubstrateBench;
use crate::kit::substrates::TRIXIE;

/// Longer than the test: nothing is forgotten in it.
const TTL_S: u32 = 600;

fn record(last: u8) -> AddressRecord {
    AddressRecord { address: Ipv4Addr::new(127, 0, 72, last), ttl_s: TTL_S }
}

fn service(host: &str) -> ServiceName {
    ServiceName { zone: "roadtrip.example.".to_owned(), host: format!("{host}.roadtrip.example.") }
}

/// One set of servers for all of this, because starting it takes the time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_is_moved_by_one_operator_who_knows_what_it_is() {
    let Some(bench) = SubstrateBench::local(false).await.filter(|_| named_is_here()) else { return };
    let name = service("www");
    let servers = NameServers::create(&*bench.substrate, str::to_owned, name.clone()).await.unwrap();
    servers.start(record(1)).await.unwrap();
    let (ns1, resolver) = (servers.primary.address().unwrap(), servers.resolver.address().unwrap());
    for (_, server) in servers.authoritative().unwrap() {
        let answer = ask(server, &name).await.unwrap();
        assert!(answer.record() == Some(record(1)) && answer.is_authoritative, "{answer}");
    }
    let cached = ask(resolver, &name).await.unwrap();
    assert!(cached.is_at(record(1).address) && !cached.is_authoritative, "{cached}");

    // Who expects something else, has another key, or means another name, changes nothing.
    let key = &servers.key;
    assert_eq!(swap(ns1, key, &name, record(9), record(2)).await.unwrap(), Swap::Stale);
    let stranger = UpdateKey::random().unwrap();
    let error = swap(ns1, &stranger, &name, record(1), record(2)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CouldNotVerify, "{error}");
    let own = AddressRecord { address: Ipv4Addr::LOCALHOST, ttl_s: 60 };
    let error = swap(ns1, key, &service("ns1"), own, record(2)).await.unwrap_err();
    assert!(error.message().contains("it refuses"), "{error}");
    assert_eq!(serial(ns1, &name).await.unwrap(), 1);
    a_failover_refuses_a_record_that_is_not_the_expected_one(&servers).await;

    // Of two operators at once, one moves it.
    let swapped = tokio::join!(
        swap(ns1, key, &name, record(1), record(2)),
        swap(ns1, key, &name, record(1), record(3))
    );
    let mut swapped = [swapped.0.unwrap(), swapped.1.unwrap()];
    swapped.sort_by_key(|one| *one == Swap::Stale);
    assert_eq!(swapped, [Swap::Done, Swap::Stale]);
    assert_eq!(serial(ns1, &name).await.unwrap(), 2);

    // A server that does not answer is no finding, and no silence either.
    servers.secondary.stop().await.unwrap();
    let there = ask(ns1, &name).await.unwrap();
    let moved = moved(there.record().unwrap(), &there);
    let authoritative = &servers.authoritative().unwrap();
    let judged = AuthoritativeJudge { servers: authoritative, name: &name, moved: &moved }.judge().await;
    assert!(judged.unwrap_err().message().starts_with("ns2: asking 127.0.0.1:"));
    bench.clear().await;
}

async fn a_failover_refuses_a_record_that_is_not_the_expected_one(servers: &NameServers) {
    let folder = tempfile::tempdir().unwrap();
    let course = Course::new(CourseSettings {
        index: 0,
        name: "dns/failover".to_owned(),
        journal: Journal::create(folder.path(), Vec::new(), Clock::machine()).unwrap(),
        substrate: None,
        repository: Arc::new(LocalRepository::open(folder.path().join("repository")).await.unwrap()),
        logs: folder.path().join("logs"),
        scratch: folder.path().join("scratch"),
        verifies: false,
    });
    let (course, authoritative) = (course.unwrap(), &servers.authoritative().unwrap());
    let resolver = servers.resolver.address().unwrap();
    let failover = Failover { name: &servers.name, key: &servers.key, authoritative, resolver };
    let error = failover.carry_out(&course, record(9).address, record(2)).await.unwrap_err();
    assert_eq!(
        error.message(),
        "at ns1: www.roadtrip.example. was expected to be A 127.0.72.9, and is A 127.0.72.1 with a TTL of 600 s: nothing \
         was changed"
    );
    assert_eq!(serial(authoritative[0].1, &servers.name).await.unwrap(), 1);
}

fn moved(new: AddressRecord, cached: &Answer) -> Moved {
    Moved {
        old: record(1),
        new,
        old_serial: 1,
        cached: cached.clone(),
        outlived: (cached.clone(), 1_000),
        ttl_wait_ms: 0,
    }
}

/// What nobody saw is not proven.
#[tokio::test]
async fn judges_of_clients_and_caches_need_something_to_look_at() {
    let nothing = Answer { records: Vec::new(), is_authoritative: false, code: "No Error".to_owned() };
    let judged: Result<_> = CacheJudge { moved: &moved(record(2), &nothing) }.judge().await;
    assert!(judged.unwrap_err().message().contains("it remembered nothing"));
    let (old, new): (SocketAddrV4, SocketAddrV4) =
        ("127.0.72.1:80".parse().unwrap(), "127.0.72.2:80".parse().unwrap());
    let judge = async |visits: &[Visit]| ConnectionsJudge { visits, expected: new }.judge().await;
    assert_eq!(judge(&[]).await.unwrap_err().message(), "no client connected after the change");
    assert_eq!(judge(&[Visit::At(new)]).await.unwrap().findings, []);
    let astray = [Visit::At(old), Visit::At(new), Visit::Failed("the resolver is silent".to_owned())];
    let findings = judge(&astray).await.unwrap().findings;
    assert_eq!(findings[0].actual, "2 of 3 were not; the last: the resolver is silent");
}

/// The time of a drill is judged with the documented TTL, and says so.
pub(crate) fn the_documented_ttl_counts(report: &Value) {
    let checks = report["drills"][0]["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["judge"] == "time-objective").unwrap();
    let told = check["summary"].as_str().unwrap();
    assert!(told.starts_with("recovered 30") && told.contains("for the TTL of the old record"), "{told}");
}

/// No TTL is assumed: without a documented one, nothing is started.
#[test]
fn a_runbook_without_a_ttl_is_told_what_to_write() {
    if !named_is_here() {
        return;
    }
    let place = Place::new();
    let runbook = comeback_fixtures::RUNBOOK.replace("with a TTL of 300 seconds", "with a short TTL");
    std::fs::write(place.work().join("runbook.md"), runbook).unwrap();
    let output = place
        .as_it_is(&["run", "dns/failover", "--substrate", "local", "--runbook", "runbook.md"])
        .output()
        .unwrap();
    let told = text(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(output.status.code(), Some(3), "{told}{}", text(&output.stderr));
    assert!(told.contains("the runbook documents no TTL for the records that are moved"), "{told}");
    assert_eq!(place.left_behind(), [""; 0]);
}

/// An image from before there were drills of DNS.
#[tokio::test]
async fn without_a_name_server_nothing_is_verified_and_a_hint_helps() {
    if !docker_is_here().await {
        return;
    }
    let place = Place::new();
    std::fs::write(place.work().join("comeback.toml"), format!("[docker]\nimage = \"{TRIXIE}\"\n")).unwrap();
    let output = place.run(&["run", "dns/failover", "--substrate", "docker"]);
    let told = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(3), "{told}");
    let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
    for wanted in ["there is no program `named` in the image", "`make setup` installs BIND"] {
        assert!(told.contains(wanted), "{wanted}: {told}");
    }
    assert_eq!(place.left_behind(), [""; 0]);
}
