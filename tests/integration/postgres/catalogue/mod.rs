//! The catalogue: every kind of object is read, every change is seen, and an intact object comes back through every
//! path without a finding.

mod changes;
mod paths;

use std::collections::BTreeSet;
use std::sync::Arc;

use changes::{BEFORE, CHANGES};
use comeback_engine::substrate::Substrate;
use comeback_model::CatalogueForm;
use comeback_postgres::{
    OUT_OF_SCOPE, PostgresServer, catalogue_kinds, covered_catalogues, read_cluster, read_database,
    unknown_catalogues,
};
use paths::Zoo;

use crate::kit::substrates::TRIXIE;
use crate::kit::{require, substrates};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_object_comes_back_and_no_change_goes_unseen_on_15() {
    if let Some(substrate) = substrates::local() {
        comes_back_and_is_seen(substrate, "local").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_object_comes_back_and_no_change_goes_unseen_on_17() {
    if let Some(substrate) = substrates::docker(Some(TRIXIE)).await {
        comes_back_and_is_seen(substrate, "docker").await;
    }
}

async fn comes_back_and_is_seen(substrate: Arc<dyn Substrate>, need: &str) {
    let Some(zoo) = require::or_skip(need, Zoo::open(substrate).await) else { return };
    every_system_catalogue_is_read_or_left_out_for_a_reason(&zoo.primary).await;
    zoo.through_a_base_backup().await;
    zoo.through_dumps().await;
    every_change_is_seen(&zoo.primary).await;
    zoo.clear().await;
}

async fn every_system_catalogue_is_read_or_left_out_for_a_reason(server: &PostgresServer) {
    assert_eq!(unknown_catalogues(server.address()).await.unwrap(), []);
    let covered = covered_catalogues();
    for (catalogue, reason) in OUT_OF_SCOPE {
        assert!(!covered.contains_key(catalogue) && !reason.is_empty(), "{catalogue}");
    }
}

/// Changes one object of each kind in a transaction, and reads the catalogue inside it.
async fn every_change_is_seen(server: &PostgresServer) {
    for statement in BEFORE {
        paths::sql(server, "postgres", statement).await;
    }
    let mut connection = server.connect("zoo").await.unwrap();
    let before = [
        read_database(&mut connection, CatalogueForm::Complete).await.unwrap(),
        read_cluster(&mut connection, CatalogueForm::Complete).await.unwrap(),
    ];
    sqlx::raw_sql("begin").execute(&mut connection).await.unwrap();
    for change in CHANGES {
        let done = sqlx::raw_sql(change.sql).execute(&mut connection).await;
        done.unwrap_or_else(|error| panic!("{}: {error}", change.sql));
    }
    let after = [
        read_database(&mut connection, CatalogueForm::Complete).await.unwrap(),
        read_cluster(&mut connection, CatalogueForm::Complete).await.unwrap(),
    ];
    let seen: BTreeSet<_> = before
        .iter()
        .zip(&after)
        .flat_map(|(before, after)| before.differences(after))
        .map(|difference| (difference.kind.to_owned(), difference.identity.to_owned()))
        .collect();
    let unseen: Vec<_> = CHANGES
        .iter()
        .filter(|change| !seen.contains(&(change.kind.to_owned(), change.identity.to_owned())))
        .map(|change| (change.kind, change.identity, change.sql))
        .collect();
    assert!(unseen.is_empty(), "{unseen:#?}\n{after:#?}");
    let changed: BTreeSet<_> = CHANGES.iter().map(|change| change.kind).collect();
    assert_eq!(changed, catalogue_kinds(server.major()), "each kind of object has its change");
}
