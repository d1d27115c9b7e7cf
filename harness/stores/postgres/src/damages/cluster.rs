//! Damages to a restored cluster, whatever it was restored from.

use comeback_engine::damage::{Damage, DamageTable, Injury, LOG_WARNING, Sharing};

use super::database::{Cluster, Database};
use super::{definitions, files, rows};
use crate::error::{Context as _, Result};

/// Damages to a restored cluster.
pub static TO_A_CLUSTER: DamageTable<Cluster> = DamageTable {
    class: "cluster",
    groups: &[rows::DAMAGES, definitions::DAMAGES, files::DAMAGES, LOG],
    sharing: Sharing::AllBut(&["table-gone", "columns-swapped"]),
};

const LOG: &[Damage<Cluster>] = &[Damage { spec: LOG_WARNING, inject: |aim| Box::pin(log_warning(aim.on)) }];

async fn log_warning(on: Database<'_>) -> Result<Injury> {
    let mut connection = on.server.connect(on.name).await?;
    sqlx::raw_sql(
        "do $$ begin raise warning 'page verification failed, calculated checksum 1 but expected 2'; end $$",
    )
    .execute(&mut connection)
    .await
    .context("logging a warning")?;
    Ok(Injury::to("restored server"))
}
