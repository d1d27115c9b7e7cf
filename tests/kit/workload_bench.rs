//! Starts a PostgreSQL server that takes a workload: to compare what its ledger says with what the server holds.

use std::sync::Arc;
use std::time::Duration;

use comeback_engine::clock::Stopwatch;
use comeback_engine::judge::Judge;
use comeback_engine::secret::Secret;
use comeback_engine::substrate::{Command, Io, Substrate};
use comeback_model::ledger::{Expectation, LogRecord, Presence, Replay, Transaction};
use comeback_model::{Ledger, RecoveryPoint, RecoveryTarget};
use comeback_postgres::judges::LedgerJudge;
use comeback_postgres::{PostgresServer, WORKLOAD_SETTINGS, Workload, run_script};

use super::{require, substrates};

pub(crate) const DATABASE: &str = "app";

/// A running server with an empty database.
pub(crate) struct WorkloadBench {
    pub(crate) substrate: Arc<dyn Substrate>,
    pub(crate) server: PostgresServer,
}

impl WorkloadBench {
    pub(crate) async fn new() -> Option<Self> {
        let substrate = substrates::local()?;
        let password = Secret::random().unwrap();
        let server =
            require::or_skip("local", PostgresServer::create(&*substrate, "primary", &password).await)?;
        server.init().await.unwrap();
        server.configure(&WORKLOAD_SETTINGS).await.unwrap();
        server.start(&[]).await.unwrap();
        run_script(server.address(), "postgres", "the database", &format!("create database {DATABASE}"))
            .await
            .unwrap();
        Some(Self { substrate, server })
    }

    pub(crate) async fn workload(&self, seed: u64) -> Workload {
        Workload::start(self.server.address(), DATABASE, seed, Stopwatch::start(), Duration::ZERO)
            .await
            .unwrap()
    }

    pub(crate) async fn shell(&self, script: &str) -> String {
        let command = Command::new("sh").args(["-ec", script]);
        let output = self.server.node().exec(&command, Io::default()).await.unwrap();
        output.success(script).unwrap().text()
    }

    pub(crate) async fn findings(&self, ledger: &Ledger, expectation: &Expectation) -> Vec<String> {
        let judge = LedgerJudge { server: self.server.address(), database: DATABASE, ledger, expectation };
        judge.judge().await.unwrap().findings.iter().map(ToString::to_string).collect()
    }
}

pub(crate) fn target(point: RecoveryPoint, inclusive: bool) -> RecoveryTarget {
    RecoveryTarget { point, inclusive, timeline: None }
}

pub(crate) fn latest() -> RecoveryTarget {
    target(RecoveryPoint::Latest, true)
}

/// The expectation from a ledger that knows the log to its end.
pub(crate) fn expect_exactly(ledger: &Ledger, target: &RecoveryTarget) -> Expectation {
    let replay = Replay { ends_at: Some(ledger.log_read_until()), ..Replay::default() };
    let expectation = ledger.expectation(target, &replay);
    assert_eq!(expectation.count(Presence::MayBeThere), 0, "{target:?} leaves something open");
    expectation
}

pub(crate) fn end_record<'a>(ledger: &'a Ledger, transaction: &Transaction) -> Option<&'a LogRecord> {
    let outcome = transaction.end.as_ref()?.outcome;
    ledger.log[0].of_transaction(transaction.xid).find(|record| record.kind.outcome() == Some(outcome))
}
