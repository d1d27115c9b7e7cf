//! Regions: nodes of different regions cannot reach each other, if there is a network to cut.

use std::time::Duration;

use comeback_engine::substrate::{Command, Node};
use comeback_engine::wait;
use comeback_error::ErrorKind;

use crate::kit::substrate_bench::{SubstrateBench, printed, run, sh};

const LIMIT: Duration = Duration::from_secs(20);
const PORT: u16 = 5432;
/// A server that accepts connections and says nothing.
const LISTENER: &str = "use IO::Socket::INET; \
    my $s = IO::Socket::INET->new(LocalPort => 5432, Listen => 5, ReuseAddr => 1) or die; \
    while (my $c = $s->accept) { close $c }";

/// Whether a node can reach the server of another.
async fn reaches(from: &dyn Node, address: &str) -> bool {
    let script = format!("timeout 2 bash -c 'exec 3<>/dev/tcp/{address}/{PORT}'");
    run(from, &sh(&script)).await.code == 0
}

pub(super) async fn regions_are_apart(bench: &SubstrateBench) {
    let lost = bench.node_in("region-a", "lost").await;
    let beside = bench.node_in("region-a", "beside").await;
    let elsewhere = bench.node_in("region-b", "elsewhere").await;
    let home = bench.node("home").await;
    let error = std::sync::Arc::clone(&bench.substrate).in_region("Region A").err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
    if bench.is_local() {
        return;
    }
    lost.start(&Command::new("perl").args(["-e", LISTENER]), "log").await.unwrap();
    let address = printed(&*lost, "hostname -i").await.trim().to_owned();
    wait::until("the server to be reached from its own region", LIMIT, async || {
        if reaches(&*beside, &address).await { Ok(()) } else { Err(address.clone()) }
    })
    .await
    .unwrap();
    assert!(!reaches(&*elsewhere, &address).await && !reaches(&*home, &address).await);
}
