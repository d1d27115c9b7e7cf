//! Restores the rows of one table from its export as CSV.

use comeback_engine::runner::Course;
use comeback_model::{Manifest, Phase};

use crate::error::Result;
use crate::judges::LoadedRows;
use crate::{KeptRows, LoadedTable, PostgresAddress, load_table_csv};

/// Rows that are loaded but not committed.
pub struct CsvRestore {
    loaded: LoadedTable,
}

impl CsvRestore {
    /// Loads an export into its empty table, and checks the rows against its manifest.
    pub async fn load(course: &Course, server: &PostgresAddress, export: &Manifest) -> Result<Self> {
        course.step(Phase::Recover, "load it into the empty table, in a transaction that nobody else sees");
        let loaded = load_table_csv(server, course.repository(), export).await;
        let loaded = course.restored(loaded)?;

        course.step(Phase::Recover, "prove the rows, computed columns too, by the manifest of the export");
        course.insist(&LoadedRows { loaded: loaded.fingerprint(), recorded: export }).await?;
        Ok(Self { loaded })
    }

    /// Commits the rows. Returns their number.
    pub async fn keep(self, course: &Course) -> Result<u64> {
        course.step(Phase::Recover, "keep the rows and set the numbers of new ones on");
        self.loaded.keep().await
    }

    /// Commits the rows, without the planner's statistics.
    pub async fn commit(self, course: &Course) -> Result<KeptRows> {
        course.step(Phase::Recover, "keep the rows and set the numbers of new ones on");
        self.loaded.commit().await
    }
}
