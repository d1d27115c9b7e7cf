//! Drills of Redis.

mod cache_corruption;
mod complete_loss;

pub use cache_corruption::CacheCorruption;
pub use complete_loss::CompleteLoss;

use std::sync::atomic::{AtomicU64, Ordering};

use comeback_engine::runner::Drill;
use comeback_error::{Error, Result};
use comeback_fixtures::{Keyspace, Scale};
use comeback_model::{Content, Manifest};
use comeback_redis::{RedisAddress, RestoreSettings, load_commands};

/// A user of the application. An RDB file holds no users: they come from the server's configuration. Nobody knows this
/// user's password; there is only its hash.
pub(crate) const USERS: [(&str, &str); 1] = [(
    "user",
    "app on #5994471abb01112afcc18159f6cc74b4f511b99806da59b3caf5a9c173cacfc5 ~* &* +@all -@dangerous",
)];

/// Fills a server with the application's data, by the seed and the scale of the drill.
pub(crate) async fn fill(drill: &Drill, server: &RedisAddress) -> Result<()> {
    let scale: Scale = drill.scale().parse().map_err(|error| Error::usage(format!("{error}")))?;
    let bytes = AtomicU64::new(0);
    let commands = Keyspace::new(drill.seed(), scale).commands().inspect(|command| {
        let size = command.words.iter().map(|word| word.len() as u64).sum();
        bytes.fetch_add(size, Ordering::Relaxed);
    });
    let sent = load_commands(server, commands.map(|command| (command.database, command.words))).await?;
    drill.note(format!("loaded the data with {sent} commands"));
    drill.sample_data_loaded(bytes.into_inner());
    Ok(())
}

/// The settings of a restored server: those of the lost one.
pub(crate) fn settings(append_only: bool) -> RestoreSettings {
    let users = USERS.map(|(name, value)| (name.to_owned(), value.to_owned()));
    RestoreSettings { settings: users.to_vec(), append_only, ..RestoreSettings::default() }
}

pub(crate) fn is_snapshot(manifest: &Manifest) -> bool {
    matches!(manifest.content, Content::RedisSnapshot { .. })
}
