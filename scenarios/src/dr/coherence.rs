//! Whether the stores that came back belong together: what one of them names is in the other, and nothing names what was
//! lost with region A. What does not fit is in the report's repair list.

use comeback_application::damages::{NamingRows, Rows};
use comeback_application::judges::{PhotosJudge, VaultJudge};
use comeback_application::{open_vault, read_photo_rows};
use comeback_engine::judge::{Coherence, LostRegion, RecoveryPoints};
use comeback_engine::runner::Drill;
use comeback_error::Result;
use comeback_model::Phase;
use comeback_objects::read_versions;
use comeback_postgres::{PostgresServer, column};
use comeback_redis::damages::{Keyspace, LostAddress};
use comeback_redis::{RedisServer, read_hash_field, read_list_jobs, read_stream_jobs};

use super::region::Backups;
use super::steps::Recovered;
use crate::roadtrip::DATABASE;
use crate::secrets;

/// The queues of jobs in Redis, and the group of workers that takes the events.
const EVENTS: &str = "queue:events";
const WORKERS: &str = "mailers";
const MAILS: &str = "queue:mail";

/// Judges whether the stores agree with each other.
pub(super) async fn judge(drill: &mut Drill, recovered: &Recovered, backups: &Backups) -> Result<()> {
    drill.step(Phase::Judge, "prove that the stores agree, and are of about one moment");
    let (points, objective) = (&recovered.points()[..], &drill.loss_objective());
    drill.judge(&RecoveryPoints { points, objective }).await;
    let (database, cache) = (recovered.database.get(), recovered.cache.get());
    // A store that cannot be read must not keep the other links from being looked at.
    let mut looked = Vec::new();
    if let (Some(database), Some(cache)) = (database, cache) {
        drill.inject::<Keyspace>(&cache.address()).await?;
        looked.push(judge_sessions(drill, database, cache).await);
        // One that began empty has no jobs.
        if !recovered.is_cache_empty {
            looked.push(judge_jobs(drill, database, cache).await);
        }
    }
    if let Some(database) = database {
        let address = backups.lost.first().map_or("", String::as_str);
        drill.inject::<Rows>(NamingRows { database: &database.options(DATABASE), address }).await?;
        looked.push(judge_photos(drill, database, recovered).await);
        looked.push(judge_vault(drill, database, recovered).await);
    }
    looked.push(judge_lost_region(drill, recovered, backups).await);
    looked.into_iter().collect()
}

/// Sessions name users.
async fn judge_sessions(drill: &Drill, database: &PostgresServer, cache: &RedisServer) -> Result<()> {
    let naming = &read_hash_field(&cache.address(), "session:", "user").await?[..];
    let there = &column(database.address(), DATABASE, "select id from roadtrip.users").await?;
    let (rule, remedy) = ("sessions have users", "drop the session: its user has to sign in again");
    drill.judge(&Coherence { rule, naming, there, remedy }).await;
    Ok(())
}

/// Jobs that are still to be done name bookings, and mails that are still to be sent name users.
async fn judge_jobs(drill: &Drill, database: &PostgresServer, cache: &RedisServer) -> Result<()> {
    let naming = &read_stream_jobs(&cache.address(), EVENTS, WORKERS, "booking").await?[..];
    let there = &column(database.address(), DATABASE, "select id from roadtrip.bookings").await?;
    let (rule, remedy) =
        ("jobs have bookings", "drop the job, and queue it again if the booking is made again");
    drill.judge_of("jobs", &Coherence { rule, naming, there, remedy }).await;
    let naming = &read_list_jobs(&cache.address(), MAILS, "to").await?[..];
    let there = &column(database.address(), DATABASE, "select id from roadtrip.users").await?;
    let (rule, remedy) = ("mails have users", "drop the mail: its user is not there");
    drill.judge_of("mails", &Coherence { rule, naming, there, remedy }).await;
    Ok(())
}

/// Rows of photos name objects.
async fn judge_photos(drill: &Drill, database: &PostgresServer, recovered: &Recovered) -> Result<()> {
    let connection = &mut database.connect(DATABASE).await?;
    if let Some(bucket) = recovered.bucket.get() {
        let (rows, versions) = (&read_photo_rows(connection).await?[..], &read_versions(bucket).await?[..]);
        drill.judge(&PhotosJudge { rows, versions }).await;
    }
    Ok(())
}

/// Sealed rows name keys.
async fn judge_vault(drill: &Drill, database: &PostgresServer, recovered: &Recovered) -> Result<()> {
    let connection = &mut database.connect(DATABASE).await?;
    if let Some(store) = recovered.secrets.get() {
        let keys = secrets::versions(store, secrets::VAULT_KEY).await?;
        let rows = &open_vault(connection, &keys).await?[..];
        drill.judge(&VaultJudge { rows }).await;
    }
    Ok(())
}

/// Nothing that came back names an address of region A.
async fn judge_lost_region(drill: &Drill, recovered: &Recovered, backups: &Backups) -> Result<()> {
    let (addresses, mut searches) = (&backups.lost[..], Vec::new());
    drill.note(format!("addresses of region A: {}", addresses.join(", ")));
    if let Some(database) = recovered.database.get() {
        let found = comeback_postgres::find_addresses(database.address(), DATABASE, addresses).await?;
        searches.push(found);
    }
    if let Some(cache) = recovered.cache.get() {
        let cache = &cache.address();
        drill.inject::<LostAddress>((cache, addresses.first().map_or("", String::as_str))).await?;
        searches.push(comeback_redis::find_addresses(cache, addresses).await?);
    }
    if let Some(store) = recovered.secrets.get() {
        searches.push(comeback_secrets::find_addresses(store, addresses).await?);
    }
    if let Some(application) = recovered.application.get() {
        searches.push(application.configuration()?.find_addresses(addresses));
    }
    drill.judge(&LostRegion { addresses, searches: &searches }).await;
    Ok(())
}
