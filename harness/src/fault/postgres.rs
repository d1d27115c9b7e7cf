//! Damage to a restored PostgreSQL database. The victim is chosen by the seed among all that qualify.

mod definitions;
mod files;
mod rows;
mod writes;

use sqlx::PgConnection;

use super::{Damage, DamageStage, Injury};
use crate::error::{Context as _, Error, Result};
use crate::stores::postgres::PostgresServer;

pub use writes::damage_writes;

/// Injects a damage into a database of a restored server, as corruption or a careless hand would.
pub async fn damage_server(
    server: &PostgresServer,
    database: &str,
    damage: Damage,
    seed: u64,
) -> Result<Injury> {
    let mut connection = connect(server, database).await?;
    let seed = seed.to_string();
    let injury = match damage {
        Damage::RowGone => rows::delete(&mut connection, &seed).await,
        Damage::RowTwice => rows::duplicate(&mut connection, &seed).await,
        Damage::ByteChanged => rows::change_byte(&mut connection, &seed).await,
        Damage::ValuesSwapped => rows::swap(&mut connection, &seed).await,
        Damage::ColumnsSwapped => rows::swap_columns(&mut connection, &seed).await,
        Damage::OrphanRow => rows::orphan(&mut connection, &seed).await,
        Damage::IndexEntryGone => files::drop_index_entry(&mut connection, &seed).await,
        Damage::FreezeLimitWrong => files::set_freeze_limit(&mut connection, &seed).await,
        Damage::PageFlipped => files::flip_page(server, &mut connection, &seed).await,
        Damage::LogWarning => log_warning(server, database).await,
        other if other.stage() != DamageStage::Restored => {
            Err(Error::usage(format!("{damage} is no damage to a restored server")))
        }
        definition => definitions::damage(&mut connection, definition, &seed).await,
    };
    injury.map_err(|error| error.context(format!("injecting {damage}")))
}

/// A connection for damaging: neither triggers nor foreign keys get in the way, and it does not announce itself.
async fn connect(server: &PostgresServer, database: &str) -> Result<PgConnection> {
    let mut connection = server.connect(database).await?;
    sqlx::raw_sql("set session_replication_role = replica; set log_min_messages = panic; set search_path = pg_catalog, public")
        .execute(&mut connection)
        .await
        .context("preparing the damage")?;
    Ok(connection)
}

async fn log_warning(server: &PostgresServer, database: &str) -> Result<Injury> {
    let mut connection = server.connect(database).await?;
    sqlx::raw_sql(
        "do $$ begin raise warning 'page verification failed, calculated checksum 1 but expected 2'; end $$",
    )
    .execute(&mut connection)
    .await
    .context("logging a warning")?;
    Ok(Injury { subject: "restored server".to_owned(), key: None })
}

/// Runs a statement that a victim's name was put into.
async fn run(connection: &mut PgConnection, sql: String) -> Result<u64> {
    let done = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(connection).await.context("damaging")?;
    Ok(done.rows_affected())
}

fn nothing_to_damage(what: &str) -> Error {
    Error::could_not_verify(format!("the database has {what} to damage"))
}
