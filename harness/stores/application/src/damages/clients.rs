//! Damages that clients see: one that keeps an address, and data that changed before the backups.

use comeback_engine::damage::{Aim, Damage, DamageSpec, DamageTable, Injury, Sharing, Target, choose};
use comeback_error::{Context as _, Error, Result};
use comeback_model::FindingCode;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

use crate::clients::{CLIENTS, Clients, STORIES};

/// The target of these damages: clients and the database of their application, when the backups are about to begin.
pub struct Outside;

impl Target for Outside {
    type On<'a> = Outsiders<'a>;
}

/// Clients, and the database of their application.
#[derive(Clone, Copy)]
pub struct Outsiders<'a> {
    /// The clients.
    pub clients: &'a Clients,
    /// The database, for a superuser.
    pub database: &'a PgConnectOptions,
}

/// Damages that only clients notice.
pub static TO_WHAT_CLIENTS_SEE: DamageTable<Outside> = DamageTable {
    class: "clients",
    groups: &[&[
        Damage {
            spec: DamageSpec {
                name: "client-keeps-address",
                does: "a client asks for the address of the application once, and never again",
                judge: "clients",
                finding: FindingCode::ServiceDown,
            },
            inject: |aim| Box::pin(std::future::ready(Ok(keep_address(aim)))),
        },
        Damage {
            spec: DamageSpec {
                name: "booking-gone",
                does: "a booking that a client saw acknowledged is gone before the backups",
                judge: "clients",
                finding: FindingCode::WriteLost,
            },
            inject: |aim| Box::pin(delete_booking(aim)),
        },
        Damage {
            spec: DamageSpec {
                name: "story-other",
                does: "a story has another title in the backup than clients have read",
                judge: "clients",
                finding: FindingCode::AnswerWrong,
            },
            inject: |aim| Box::pin(rename_story(aim)),
        },
    ]],
    sharing: Sharing::None,
};

fn keep_address(Aim { on, seed }: Aim<'_, Outside>) -> Injury {
    let names = on.clients.names();
    let chosen = choose(seed, names.len());
    on.clients.keep_address(chosen);
    Injury::to(names.get(chosen).copied().unwrap_or_default())
}

async fn delete_booking(Aim { on, .. }: Aim<'_, Outside>) -> Result<Injury> {
    let booking = on.clients.last_booking_before_backups()?;
    // Silently: no trigger fires, as when a disk forgets a page.
    let sql = "delete from roadtrip.bookings where id = $1";
    change(on.database, sql, Some(booking)).await?;
    Ok(Injury::to(CLIENTS))
}

async fn rename_story(Aim { on, .. }: Aim<'_, Outside>) -> Result<Injury> {
    let sql = "update roadtrip.stories set title = title || ' (2)' \
        where id = (select max(id) from roadtrip.stories where status = 'published')";
    change(on.database, sql, None).await?;
    Ok(Injury::to(STORIES))
}

/// Changes one row, without its triggers.
async fn change(database: &PgConnectOptions, sql: &'static str, id: Option<i64>) -> Result<()> {
    let doing = "changing a row behind the application";
    let mut connection = database.connect().await.context(doing)?;
    sqlx::query("set session_replication_role = replica").execute(&mut connection).await.context(doing)?;
    let query = sqlx::query(sql);
    let query = if let Some(id) = id { query.bind(id) } else { query };
    let changed = query.execute(&mut connection).await.context(doing)?.rows_affected();
    connection.close().await.context(doing)?;
    if changed == 1 { Ok(()) } else { Err(Error::could_not_verify(format!("{doing}: {changed} rows"))) }
}
