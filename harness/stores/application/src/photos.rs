//! The rows of photos, each of which names an object of the bucket.

use comeback_error::{Context as _, Error, Result};
use comeback_model::KeptVersion;
use sqlx::PgConnection;

/// A row of a photo: what it says of its object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhotoRow {
    /// The row's id.
    pub id: i64,
    /// The key of its object.
    pub key: String,
    /// The size of its object, in bytes.
    pub bytes: u64,
    /// The SHA-256 of its object, in hexadecimal.
    pub sha256: String,
    /// Whether it is the newest row of its key: its version is the live one. An older one was replaced.
    pub is_newest: bool,
}

/// Tells each row of the sample data which version of its object was uploaded for it: generation, size, SHA-256 and media
/// type, which the sample data makes up. The rows of a key are paired with its versions in their order; a row or a version
/// that is left over is an error. Returns the number of rows. The connection is the superuser's.
pub async fn record_uploads(connection: &mut PgConnection, versions: &[KeptVersion]) -> Result<u64> {
    let doing = "telling the rows of photos what was uploaded";
    let mut numbers = Vec::with_capacity(versions.len());
    let (mut key, mut number) = ("", 0_i64);
    for version in versions {
        number = if version.key == key { number + 1 } else { 1 };
        key = &version.key;
        numbers.push(number);
    }
    let generations = versions.iter().map(|one| one.version.parse::<i64>().context(doing));
    let sizes = versions.iter().map(|one| i64::try_from(one.bytes).context(doing));
    let sql = "update roadtrip.photos p set generation = u.generation, size_bytes = u.bytes, \
            sha256 = decode(u.sha256, 'hex'), content_type = coalesce(u.content_type, p.content_type) \
        from (select id, object_key, row_number() over (partition by object_key order by generation, id) as number \
            from roadtrip.photos) r \
        join unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::text[]) \
            as u (key, number, generation, bytes, sha256, content_type) \
            on u.key = r.object_key and u.number = r.number where p.id = r.id";
    let told = sqlx::query(sql)
        .bind(versions.iter().map(|one| one.key.clone()).collect::<Vec<_>>())
        .bind(numbers)
        .bind(generations.collect::<Result<Vec<_>>>()?)
        .bind(sizes.collect::<Result<Vec<_>>>()?)
        .bind(versions.iter().map(|one| one.sha256.clone()).collect::<Vec<_>>())
        .bind(versions.iter().map(|one| one.content_type.clone()).collect::<Vec<_>>())
        .execute(&mut *connection)
        .await
        .context(doing)?
        .rows_affected();
    let rows: i64 = sqlx::query_scalar("select count(*) from roadtrip.photos")
        .fetch_one(connection)
        .await
        .context(doing)?;
    if told != rows.unsigned_abs() || told != versions.len() as u64 {
        return Err(Error::could_not_verify(format!(
            "{doing}: {told} of {rows} rows and of {} versions belong together",
            versions.len()
        )));
    }
    Ok(told)
}

/// Reads every row of a photo. The connection is the superuser's.
pub async fn read_photo_rows(connection: &mut PgConnection) -> Result<Vec<PhotoRow>> {
    let doing = "reading the rows of photos";
    let sql = "select id, object_key, size_bytes, encode(sha256, 'hex'), \
            row_number() over (partition by object_key order by generation desc, id desc) = 1 \
        from roadtrip.photos order by id";
    let rows: Vec<(i64, String, i64, String, bool)> =
        sqlx::query_as(sql).fetch_all(connection).await.context(doing)?;
    let row = |(id, key, bytes, sha256, is_newest): (i64, String, i64, String, bool)| {
        Ok(PhotoRow { id, key, bytes: u64::try_from(bytes).context(doing)?, sha256, is_newest })
    };
    rows.into_iter().map(row).collect()
}
