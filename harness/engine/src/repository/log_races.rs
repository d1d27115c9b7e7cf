//! Several servers archive a file of one name at once, and some are killed on the way.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use comeback_error::{Error, Result};
use proptest::prelude::*;

use super::{LogArchive, Reader, Repository, Upload};
use crate::sha256::Sha256;

const SEGMENT: &str = "000000010000000000000005";

/// A repository in memory. Each operation waits for other tasks first, some turns long.
#[derive(Clone)]
struct Memory {
    files: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    /// How many turns each operation waits, one after the other.
    turns: Arc<Mutex<std::vec::IntoIter<usize>>>,
    /// How many operations this writer has left before it is killed.
    left: Arc<Mutex<usize>>,
    /// Whether the last operation before the kill still has its effect.
    is_last_done: bool,
    is_append_only: bool,
}

impl Memory {
    fn files(&self) -> MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn turn(&self) {
        let turns = self.turns.lock().unwrap().next().unwrap_or(0);
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
    }

    /// Runs an operation, unless the writer was killed before.
    async fn operate<T>(&self, operation: impl FnOnce(&mut BTreeMap<String, Vec<u8>>) -> T) -> Result<T> {
        self.turn().await;
        let killed = || Error::could_not_verify("killed");
        let is_last = {
            let mut left = self.left.lock().unwrap();
            if *left == 0 {
                return Err(killed());
            }
            *left -= 1;
            *left == 0
        };
        if is_last && !self.is_last_done {
            return Err(killed());
        }
        let done = operation(&mut self.files());
        self.turn().await;
        if is_last { Err(killed()) } else { Ok(done) }
    }

    /// The same repository for another writer.
    fn writer(&self, operations: usize, is_last_done: bool) -> Self {
        Self { left: Arc::new(Mutex::new(operations)), is_last_done, ..self.clone() }
    }
}

fn not_here<T>() -> Result<T> {
    Err(Error::usage("this repository has a log archive and nothing else"))
}

#[async_trait]
impl Repository for Memory {
    fn location(&self) -> String {
        "memory".to_owned()
    }

    async fn begin(&self, _: &str) -> Result<Box<dyn Upload>> {
        not_here()
    }

    async fn list(&self) -> Result<Vec<String>> {
        not_here()
    }

    async fn manifest_bytes(&self, _: &str) -> Result<Vec<u8>> {
        not_here()
    }

    async fn beside(&self, _: &str, _: &str) -> Result<Option<Vec<u8>>> {
        not_here()
    }

    async fn open(&self, _: &str, _: &str) -> Result<Reader> {
        not_here()
    }

    async fn remove(&self, _: &str) -> Result<()> {
        not_here()
    }

    async fn log_clusters(&self) -> Result<Vec<String>> {
        not_here()
    }

    async fn list_log(&self, _: &str, prefix: &str) -> Result<Vec<String>> {
        self.operate(|files| files.keys().filter(|name| name.starts_with(prefix)).cloned().collect()).await
    }

    async fn put_log(&self, _: &str, _: &str, _: &[u8]) -> Result<()> {
        not_here()
    }

    async fn put_log_new(&self, _: &str, name: &str, content: &[u8]) -> Result<bool> {
        let put = |files: &mut BTreeMap<String, Vec<u8>>| {
            let is_new = !files.contains_key(name);
            files.entry(name.to_owned()).or_insert_with(|| content.to_vec());
            is_new
        };
        self.operate(put).await
    }

    async fn remove_log(&self, _: &str, name: &str) -> Result<()> {
        if self.is_append_only {
            return not_here();
        }
        self.operate(|files| files.remove(name)).await?.map(drop).ok_or_else(|| Error::failed("gone"))
    }

    async fn open_log(&self, _: &str, name: &str) -> Result<Reader> {
        let content = self.operate(|files| files.get(name).cloned()).await?;
        let content = content.ok_or_else(|| Error::failed(format!("there is no {name}")))?;
        Ok(Box::new(std::io::Cursor::new(content)))
    }
}

/// A server that archives: which content, after how many operations it is killed, and whether the last one still has
/// its effect.
type Writer = (u8, usize, bool);

async fn race(writers: &[Writer], turns: Vec<usize>, is_append_only: bool) {
    let memory = Memory {
        files: Arc::default(),
        turns: Arc::new(Mutex::new(turns.into_iter())),
        left: Arc::new(Mutex::new(usize::MAX)),
        is_last_done: true,
        is_append_only,
    };
    let content = |which: u8| vec![which; 1000];
    let tries = writers.iter().map(|&(which, operations, is_last_done)| {
        let archive = LogArchive::new(Arc::new(memory.writer(operations, is_last_done)), "7001");
        async move { (which, archive.store(SEGMENT, &content(which)).await.is_ok()) }
    });
    let stored = futures_util::future::join_all(tries).await;

    let archive = LogArchive::new(Arc::new(memory.clone()), "7001");
    let mut winners: Vec<u8> = stored.iter().filter(|(_, is_ok)| *is_ok).map(|(which, _)| *which).collect();
    winners.dedup();
    assert!(winners.len() <= 1, "two contents under one name: {stored:?}");
    let found = archive.find(SEGMENT).await.unwrap();
    if let Some(winner) = winners.first() {
        assert_eq!(found.len(), 1, "{stored:?}");
        assert_eq!(found[0].sha256, Sha256::of(&content(*winner)));
        assert_eq!(archive.fetch(&found[0]).await.unwrap(), content(*winner));
        assert_eq!(archive.promised(1).await.unwrap(), SEGMENT.parse().ok());
        assert_eq!(archive.list().await.unwrap().len(), 1);
    }
    // The servers that are left try again: one content wins for ever, and the others are refused.
    let mut again = Vec::new();
    for &(which, ..) in writers {
        again.push((which, archive.store(SEGMENT, &content(which)).await.map_err(|error| error.kind())));
    }
    let mut now: Vec<u8> =
        again.iter().filter(|(_, stored)| stored.is_ok()).map(|(which, _)| *which).collect();
    now.dedup();
    assert!(now.len() <= 1, "{again:?}");
    assert!(winners.is_empty() || now == winners, "{stored:?} then {again:?}");
    for (which, stored) in again {
        let is_winner = now.first() == Some(&which);
        assert!(is_winner || stored == Err(comeback_error::ErrorKind::Failed), "{which}");
    }
}

proptest! {
    #[test]
    fn of_servers_that_archive_at_once_one_content_wins(
        writers in prop::collection::vec((0_u8..3, 1_usize..9, any::<bool>()), 1..5),
        turns in prop::collection::vec(0_usize..4, 0..60),
        is_append_only in any::<bool>(),
    ) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(race(&writers, turns, is_append_only));
    }
}

#[tokio::test]
async fn two_contents_that_nobody_claimed_are_both_told() {
    let memory = Memory {
        files: Arc::default(),
        turns: Arc::new(Mutex::new(Vec::new().into_iter())),
        left: Arc::new(Mutex::new(usize::MAX)),
        is_last_done: true,
        is_append_only: false,
    };
    for which in ['a', 'b'] {
        let name = format!("{SEGMENT}-{}.zst", String::from(which).repeat(64));
        memory.files().insert(name, Vec::new());
    }
    let archive = LogArchive::new(Arc::new(memory), "7001");
    assert_eq!(archive.find(SEGMENT).await.unwrap().len(), 2);
    let refused = archive.store(SEGMENT, b"a third").await.unwrap_err();
    assert!(refused.message().contains(SEGMENT), "{refused}");
}

/// The content that was claimed is lost, and the one of a server that was refused is left.
#[tokio::test]
async fn a_content_whose_name_another_one_claimed_is_never_read() {
    let memory = Memory {
        files: Arc::default(),
        turns: Arc::new(Mutex::new(Vec::new().into_iter())),
        left: Arc::new(Mutex::new(usize::MAX)),
        is_last_done: true,
        is_append_only: true,
    };
    let archive = LogArchive::new(Arc::new(memory.clone()), "7001");
    let loser = archive.store(SEGMENT, b"loser").await.unwrap();
    memory.files().insert(format!("{SEGMENT}-claim"), format!("{}\n", Sha256::of(b"winner")).into_bytes());
    assert_eq!(archive.find(SEGMENT).await.unwrap(), []);
    for file in archive.list().await.unwrap().into_values().flatten().chain([loser]) {
        let refused = Error::from(archive.fetch(&file).await.unwrap_err());
        assert!(refused.message().contains("another content has claimed it"), "{refused}");
    }
}
