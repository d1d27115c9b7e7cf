//! The road-trip application, on real servers: each endpoint, what it says when something is lost, and its end.

mod losses;
mod node;
mod reads;
mod writes;

use crate::kit::roadtrip_bench::RoadtripBench;

/// One pair of servers for all of it: filling them takes longer than the tests do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_serves_and_says_what_is_lost() {
    let Some(bench) = RoadtripBench::local().await else { return };
    let app = bench.start(&[]).await;
    reads::everything_is_read(&bench, &app).await;
    reads::a_session_is_asked_for(&bench, &app).await;
    writes::a_booking_is_written_once(&bench, &app).await;
    writes::an_api_key_opens_with_its_own_key_alone(&bench, &app).await;
    writes::jobs_are_done_and_acknowledged(&bench, &app).await;
    losses::a_session_outlives_the_application_and_its_key(&bench, app).await;
    losses::a_damaged_or_missing_photo_is_told(&bench).await;
    losses::what_is_lost_is_named_and_comes_back(&bench).await;
    losses::wrong_secrets_are_told(&bench).await;
    node::it_runs_in_a_node_and_damages_to_it_are_found(&bench).await;
    bench.clear().await;
}
