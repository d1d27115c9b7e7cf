//! Rows that name what is not there any more: an object, or an address of the region that was lost.

use comeback_engine::damage::{Aim, Damage, DamageSpec, DamageTable, Injury, Sharing, Target};
use comeback_error::{Context as _, Error, Result};
use comeback_model::FindingCode;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, PgConnection};

/// The target of these damages: the rows of a recovered database, before the judges look at what they name.
pub struct Rows;

impl Target for Rows {
    type On<'a> = NamingRows<'a>;
}

/// Rows that can be made to name something else.
#[derive(Clone, Copy)]
pub struct NamingRows<'a> {
    /// The superuser's way to the recovered database.
    pub database: &'a PgConnectOptions,
    /// An address of the region that was lost.
    pub address: &'a str,
}

/// Damages to rows that name something outside of their database.
pub static TO_WHAT_ROWS_NAME: DamageTable<Rows> = DamageTable {
    class: "references",
    groups: &[&[
        Damage {
            spec: DamageSpec {
                name: "photo-unstored",
                does: "a photo's row names an object that was never stored",
                judge: "photos",
                finding: FindingCode::ReferenceBroken,
            },
            inject: |aim| Box::pin(name_another_object(aim)),
        },
        Damage {
            spec: DamageSpec {
                name: "address-in-row",
                does: "a row of the database still names an address of the region that was lost",
                judge: "lost-region",
                finding: FindingCode::AddressStale,
            },
            inject: |aim| Box::pin(leave_address(aim)),
        },
    ]],
    sharing: Sharing::AllBut(&[]),
};

/// A connection whose changes no trigger follows.
async fn connect(database: &PgConnectOptions) -> Result<PgConnection> {
    let mut connection = database.connect().await.context("connecting to damage rows")?;
    sqlx::raw_sql("set session_replication_role = replica")
        .execute(&mut connection)
        .await
        .context("preparing the damage")?;
    Ok(connection)
}

async fn name_another_object(Aim { on, seed }: Aim<'_, Rows>) -> Result<Injury> {
    // A row of its own: another damage of the same drill may have hit the object of any other one.
    let sql = "insert into roadtrip.photos (owner_id, object_key, generation, size_bytes, content_type, sha256) \
        select owner_id, object_key || '.lost', generation, size_bytes, content_type, sha256 \
            from roadtrip.photos order by md5(id || $1), id limit 1 \
        returning object_key";
    let key: Option<String> = sqlx::query_scalar(sql)
        .bind(seed.to_string())
        .fetch_optional(&mut connect(on.database).await?)
        .await
        .context("damaging a photo's row")?;
    key.map(Injury::to).ok_or_else(|| Error::could_not_verify("the database has no photo to damage"))
}

async fn leave_address(Aim { on, seed }: Aim<'_, Rows>) -> Result<Injury> {
    let sql = "update roadtrip.journeys set notes = 'http://' || $2 || '/journeys/' || id where id = \
            (select id from roadtrip.journeys order by md5(id || $1), id limit 1) \
        returning id";
    let id: Option<i64> = sqlx::query_scalar(sql)
        .bind(seed.to_string())
        .bind(on.address)
        .fetch_optional(&mut connect(on.database).await?)
        .await
        .context("damaging a journey")?;
    let id = id.ok_or_else(|| Error::could_not_verify("the database has no journey to damage"))?;
    Ok(Injury::to("roadtrip.journeys").key(format!("id={id} notes")))
}
