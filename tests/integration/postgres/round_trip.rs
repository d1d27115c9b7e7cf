//! The round trip of the kit itself: a good database comes back clean, and each damage to it is found.

use comeback_model::{DumpFormat, FindingCode};

use crate::kit::round_trip::RoundTrip;
use crate::kit::substrates::{BOOKWORM, TRIXIE};

const SAMPLE: &str = "
    create role app_owner; create table plain (id int primary key, body text not null);
    insert into plain select g, repeat(md5(g::text), 9) from generate_series(1, 500) g;
    create view long_ones as select id from plain where length(body) > 9; alter table plain owner to app_owner;
    create sequence numbers; select nextval('numbers')";

/// Sends an intact database through the trip, then one with a lost row, a lost view and a sequence that is behind.
async fn good_comes_back_clean_and_damage_is_found(trip: RoundTrip) {
    trip.create("app", SAMPLE).await;
    trip.every_dump("app").await.assert_clean();
    let damage = "delete from plain where id = 7; drop view long_ones; alter sequence numbers restart";
    let found = [
        FindingCode::RowCount,
        FindingCode::RowMissing,
        FindingCode::ObjectMissing,
        FindingCode::SequenceBehind,
    ];
    trip.dump_then("app", DumpFormat::Custom, damage).await.assert_finds(&found);
    if trip.source.major() == trip.target.major() {
        trip.base_backup().await.assert_clean();
        trip.base_backup_then("app", damage).await.assert_finds(&found);
    }
    trip.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn good_comes_back_clean_and_damage_is_found_on_local() {
    if let Some(trip) = RoundTrip::local().await {
        good_comes_back_clean_and_damage_is_found(trip).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn good_comes_back_clean_and_damage_is_found_on_a_newer_major() {
    if let Some(trip) = RoundTrip::docker(BOOKWORM, TRIXIE).await {
        good_comes_back_clean_and_damage_is_found(trip).await;
    }
}
