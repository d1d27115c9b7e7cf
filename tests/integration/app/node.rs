//! The application in a node, as drills have it: started from secrets, judged, damaged, stopped.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;

use comeback_application::damages::{Misled, TO_ITS_ADDRESSES, TO_ITS_SECRETS};
use comeback_application::judges::ServedJudge;
use comeback_application::{ApplicationServer, Configuration, Expectation, prepare_sample};
use comeback_engine::damage::{Aim, DamageSpec, DamageTable, Injury, Target};
use comeback_engine::judge::Judge as _;
use comeback_engine::secret::SecretBytes;
use comeback_engine::substrate::Reach;
use comeback_fixtures::Photos;
use comeback_model::Finding;
use comeback_objects::ObjectStore as _;

use crate::kit::roadtrip_bench::{RoadtripBench, SCALE};

/// The program with the application in it.
const PROGRAM: &str = env!("CARGO_BIN_EXE_comeback");

async fn found(server: &ApplicationServer, expected: &[Expectation]) -> Vec<Finding> {
    ServedJudge { client: &server.client(), expected }.judge().await.unwrap().findings
}

pub(super) async fn it_runs_in_a_node_and_damages_to_it_are_found(bench: &RoadtripBench) {
    let address = Reach::Loopback(SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, 2), 0));
    let create = |name, program: &'static str| {
        ApplicationServer::create(&*bench.substrate, name, address, Path::new(program))
    };
    let refused = create("no-program", "/bin/false").await.err().unwrap();
    assert!(refused.message().starts_with("starting the application in its node"), "{refused}");
    assert!(refused.hints()[0].contains("C library"), "{refused}");

    let server = create("application", PROGRAM).await.unwrap();
    let mut right = bench.configuration();
    let mut superuser = bench.database.connect("roadtrip").await.unwrap();
    let user = prepare_sample(&mut superuser, &right.secrets.vault_keys).await.unwrap();
    server.put_bucket(&bench.secret("bucket")).await.unwrap();
    server.start(&right).await.unwrap();
    server.wait_until_ready().await.unwrap();
    let expected = user.record_everything(&server.client()).await.unwrap();
    // A newer session key, as after a rotation.
    right.secrets.session_keys.insert(2, SecretBytes::random(48).unwrap());
    server.restart(&right).await.unwrap();
    assert_eq!(found(&server, &expected).await, []);

    let earlier = Configuration {
        database_url: "postgresql://roadtrip_app@127.0.0.1:1/roadtrip".to_owned(),
        cache_url: "redis://roadtrip-app@127.0.0.1:1".to_owned(),
        ..right.clone()
    };
    let mut earlier = earlier;
    earlier.secrets.postgres_password = SecretBytes::random_password().unwrap();
    let on = Misled { server: &server, earlier: &earlier };
    each_is_found(&TO_ITS_ADDRESSES, on, &right, &expected).await;
    each_is_found(&TO_ITS_SECRETS, on, &right, &expected).await;

    bench.bucket.delete(&Photos::new(7, SCALE).uploads().next().unwrap().key).await.unwrap();
    server.put_bucket(&bench.secret("bucket")).await.unwrap();
    server.restart(&right).await.unwrap();
    let findings = found(&server, &expected).await;
    let [photo] = &findings[..] else { panic!("{findings:#?}") };
    assert!(photo.subject == Expectation::PHOTO && photo.actual.contains("the bucket has no"), "{photo}");

    let mut short = right.clone();
    short.secrets.vault_keys.insert(3, SecretBytes::random(31).unwrap());
    let refused = server.restart(&short).await.unwrap_err();
    assert!(refused.message().contains("has 31 bytes, not 32"), "{refused}");
    server.start(&right).await.unwrap();
    server.stop().await.unwrap();
    let log = server.read_log().await.unwrap();
    assert_eq!(log.lines().last(), Some("stopped"), "{log}");
    bench.assert_keeps_secrets(&log);
}

/// Each damage is found by what it hit, and the application that was told right again answers again.
async fn each_is_found<T>(
    table: &DamageTable<T>,
    on: Misled<'_>,
    right: &Configuration,
    expected: &[Expectation],
) where
    T: for<'a> Target<On<'a> = Misled<'a>>,
{
    for damage in table.iter() {
        let DamageSpec { name, finding, .. } = damage.spec;
        let Injury { subject, .. } = (damage.inject)(Aim { on, seed: 7 }).await.unwrap();
        let findings = found(on.server, expected).await;
        let named = findings.iter().any(|one| one.code == finding && one.subject == subject);
        assert!(named, "{name} of {subject}: {findings:#?}");
        on.server.restart(right).await.unwrap();
        assert_eq!(found(on.server, expected).await, [], "after {name}");
    }
}
