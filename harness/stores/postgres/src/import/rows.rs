//! Distributes the rows of tables over several connections.
//!
//! There is one queue of pieces, each of whole rows, with the tables in the order of the script. A worker
//! takes the next piece, and stays in the same `COPY` as long as its pieces are of the same table. So a large
//! table is loaded over all connections, small tables are loaded in parallel, and memory is limited by the
//! queue's size.

use std::sync::Arc;

use sqlx::PgConnection;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

use super::part::{Rows, Statement};
use super::session::{Sessions, refused, text_of};
use crate::RestoreFailure;
use crate::error::{Context as _, Result};

/// The queue's room for each worker, in pieces.
const WAITING: usize = 2;

/// The `COPY` statement of a table and its line in the script.
pub(super) struct Section {
    sql: String,
    line: u64,
}

/// A piece of a table's rows.
struct Piece {
    section: Arc<Section>,
    rows: Rows,
}

type Queue = Arc<Mutex<mpsc::Receiver<Piece>>>;

/// The result of a worker: its connection, and how many rows it loaded.
type Left = Result<(PgConnection, u64), RestoreFailure>;

/// Workers that load rows.
pub(super) struct Loading {
    pieces: mpsc::Sender<Piece>,
    workers: JoinSet<Left>,
}

impl Loading {
    /// Starts `workers` workers.
    pub(super) async fn start(sessions: &mut Sessions, script: &str, workers: usize) -> Result<Self> {
        let (pieces, queue) = mpsc::channel(WAITING * workers);
        let queue: Queue = Arc::new(Mutex::new(queue));
        let mut running = JoinSet::new();
        for _ in 0..workers {
            let (connection, queue, script) = (sessions.take().await?, queue.clone(), script.to_owned());
            running.spawn(async move {
                let left = work(connection, &queue, &script).await;
                if left.is_err() {
                    // The rest is not needed: closing the queue tells the sender.
                    queue.lock().await.close();
                }
                left
            });
        }
        Ok(Self { pieces, workers: running })
    }

    /// Gives rows to the next free worker. Returns false if a worker has failed; [`Self::finish`] returns the
    /// reason.
    pub(super) async fn deal(&self, section: &Arc<Section>, rows: Rows) -> bool {
        self.pieces.send(Piece { section: section.clone(), rows }).await.is_ok()
    }

    /// Waits until all rows are loaded. Returns their number.
    pub(super) async fn finish(self, sessions: &mut Sessions) -> Result<u64, RestoreFailure> {
        let Self { pieces, mut workers } = self;
        drop(pieces);
        let mut rows = 0;
        while let Some(ended) = workers.join_next().await {
            let (connection, loaded) = ended.context("loading rows")??;
            sessions.give_back(connection);
            rows += loaded;
        }
        Ok(rows)
    }
}

impl Section {
    pub(super) fn new(script: &str, statement: &Statement) -> Result<Self> {
        Ok(Self { sql: text_of(script, statement)?, line: statement.line })
    }
}

/// The script's lines that were sent in a `COPY`, in order: the first line and the count of each stretch.
#[derive(Default)]
struct Sent(Vec<(u64, u64)>);

impl Sent {
    /// The script's line of the row at `place` (from 1) in what was sent.
    fn line(&self, mut place: u64) -> Option<u64> {
        for (first, lines) in &self.0 {
            if place <= *lines {
                return Some(first + place - 1);
            }
            place -= lines;
        }
        None
    }
}

async fn work(mut connection: PgConnection, queue: &Queue, script: &str) -> Left {
    let mut loaded = 0;
    let mut next = queue.lock().await.recv().await;
    while let Some(Piece { section, rows }) = next {
        let mut sent = Sent::default();
        let copied = async {
            let mut copy = connection.copy_in_raw(&section.sql).await?;
            let mut rows = rows;
            loop {
                if !rows.bytes.is_empty() {
                    sent.0.push((rows.line, rows.lines));
                    copy.send(rows.bytes).await?;
                }
                match queue.lock().await.recv().await {
                    Some(piece) if Arc::ptr_eq(&piece.section, &section) => rows = piece.rows,
                    other => break Ok((copy.finish().await?, other)),
                }
            }
        };
        match copied.await {
            Ok((rows, after)) => (loaded, next) = (loaded + rows, after),
            Err(error) => return Err(row_refused(script, &section, &sent, &error)),
        }
    }
    Ok((connection, loaded))
}

/// The failure for a refused row, with its line of the script.
fn row_refused(script: &str, section: &Section, sent: &Sent, error: &sqlx::Error) -> RestoreFailure {
    let line = error.as_database_error().and_then(|answer| {
        let answer = answer.try_downcast_ref::<sqlx::postgres::PgDatabaseError>()?;
        sent.line(row_number(answer.r#where()?)?)
    });
    refused(script, line.unwrap_or(section.line), error)
}

/// The number in `COPY stories, line 17, column body: "…"`, the last line of the context.
fn row_number(context: &str) -> Option<u64> {
    let line = context.lines().rev().find(|line| line.starts_with("COPY "))?;
    let (_, rest) = line.split_once(", line ")?;
    rest.split([',', ':']).next()?.trim().parse().ok()
}

/// Loads a table over one connection, piece by piece.
pub(super) struct LoadingAlone<'a> {
    copy: sqlx::postgres::PgCopyIn<&'a mut PgConnection>,
    script: &'a str,
    section: Section,
    sent: Sent,
}

impl<'a> LoadingAlone<'a> {
    pub(super) async fn start(
        connection: &'a mut PgConnection,
        script: &'a str,
        section: Section,
    ) -> Result<Self, RestoreFailure> {
        let copy = connection.copy_in_raw(&section.sql).await;
        let copy = copy.map_err(|error| refused(script, section.line, &error))?;
        Ok(Self { copy, script, section, sent: Sent::default() })
    }

    pub(super) async fn add(&mut self, rows: Rows) -> Result<(), RestoreFailure> {
        self.sent.0.push((rows.line, rows.lines));
        let sent = self.copy.send(rows.bytes).await;
        sent.map_err(|error| row_refused(self.script, &self.section, &self.sent, &error))?;
        Ok(())
    }

    pub(super) async fn finish(self) -> Result<u64, RestoreFailure> {
        let Self { copy, script, section, sent } = self;
        copy.finish().await.map_err(|error| row_refused(script, &section, &sent, &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_row_is_found_in_the_script() {
        let sent = Sent(vec![(10, 3), (100, 2)]);
        assert_eq!(
            [1, 3, 4, 5, 6].map(|place| sent.line(place)),
            [Some(10), Some(12), Some(100), Some(101), None]
        );
        for (context, number) in [
            ("COPY t, line 17, column body: \"x\"", Some(17)),
            ("SQL function \"f\" statement 1\nCOPY a, line 2, b, line 3: \"x\"", Some(2)),
            ("COPY t, line 4", Some(4)),
            ("PL/pgSQL function f() line 3 at RAISE", None),
        ] {
            assert_eq!(row_number(context), number, "{context}");
        }
    }
}
