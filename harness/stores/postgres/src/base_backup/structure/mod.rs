//! Walks the B-trees and looks at the rows of a running server's cluster with `amcheck`, several at a time.
//!
//! Not checked: indexes other than B-trees.

mod plan;
mod session;

use std::sync::{Mutex, PoisonError};

use futures_util::future::try_join_all;

use self::plan::{Job, plan};
use self::session::{Broken, COMPLAINTS, Session};
use super::checks::Complaint;
use crate::connection::address::PostgresAddress;
use crate::dump::parallelism;
use crate::error::Result;

/// What was checked, and what is wrong with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Structure {
    /// B-tree indexes that were walked and compared with their tables.
    pub indexes: usize,
    /// Tables of which every row was checked; 0 if the server's `amcheck` cannot check tables (before version
    /// 14).
    pub tables: usize,
    /// Problems with indexes.
    pub broken_indexes: Vec<Complaint>,
    /// Problems with tables.
    pub broken_tables: Vec<Complaint>,
}

/// Checks every B-tree index of every database, looks up every row of its table in it, and checks every row.
///
/// The functions of `amcheck` are declared in a transaction that is rolled back, for the session alone: no function
/// of the backup is called in their place.
pub async fn verify_structure(server: &PostgresAddress) -> Result<Structure> {
    let plan = plan(server).await?;
    let work = Work { jobs: Mutex::new(plan.jobs.into_iter().enumerate()), complaints: Mutex::default() };
    try_join_all((0..parallelism()).map(|_| work.take_part(server))).await?;
    let mut complaints = work.complaints.into_inner().unwrap_or_else(PoisonError::into_inner);
    // The same order whichever session was quicker.
    complaints.sort_by_key(|(number, _)| *number);
    let mut structure = Structure { indexes: plan.indexes, tables: plan.tables, ..Structure::default() };
    for (_, Broken { is_index, complaint }) in complaints {
        let of_kind = if is_index { &mut structure.broken_indexes } else { &mut structure.broken_tables };
        if of_kind.iter().filter(|one| one.subject == complaint.subject).count() < COMPLAINTS {
            of_kind.push(complaint);
        }
    }
    Ok(structure)
}

/// What the sessions share.
struct Work {
    jobs: Mutex<std::iter::Enumerate<std::vec::IntoIter<Job>>>,
    complaints: Mutex<Vec<(usize, Broken)>>,
}

impl Work {
    fn next(&self) -> Option<(usize, Job)> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).next()
    }

    /// Does jobs until none is left. Those of one database come one after another, so sessions are seldom changed.
    async fn take_part(&self, server: &PostgresAddress) -> Result<()> {
        let mut open: Option<Session> = None;
        while let Some((number, job)) = self.next() {
            let mut session = match open.take() {
                Some(session) if session.database() == job.database => session,
                other => {
                    if let Some(other) = other {
                        other.end().await?;
                    }
                    Session::begin(server, &job.database).await?
                }
            };
            let broken = session.check(&job).await?;
            let broken = broken.into_iter().map(|complaint| (number, complaint));
            self.complaints.lock().unwrap_or_else(PoisonError::into_inner).extend(broken);
            open = Some(session);
        }
        match open {
            Some(session) => session.end().await,
            None => Ok(()),
        }
    }
}
