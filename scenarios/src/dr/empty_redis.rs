//! Redis comes back empty: what that loses, and what the application computes again.

use comeback_engine::judge::Coherence;
use comeback_engine::runner::Drill;
use comeback_error::Result;
use comeback_model::Phase;
use comeback_postgres::{PostgresServer, column};
use comeback_redis::judges::RedisLogJudge;
use comeback_redis::{RedisServer, read_key_names};

use super::region::Written;
use crate::roadtrip;

/// The kinds of keys whose loss people notice, and what they do then.
const NOTICED: [(&str, &str); 2] =
    [("session", "their users sign in again"), ("queue", "their jobs have to be queued again")];
/// The stories that the application keeps in its cache: its own choice.
const CACHED: &str = "select id from (select id from roadtrip.stories where status = 'published' \
    order by id desc limit 500) as newest";
const PREFIX: &str = "cache:story:";

/// Tells what was lost with Redis, and proves that the application filled its cache again.
pub(super) async fn judge_empty_cache(
    drill: &mut Drill,
    database: &PostgresServer,
    cache: &RedisServer,
    written: &Written,
) -> Result<()> {
    drill.step(Phase::Judge, "tell what was lost with Redis, and prove that its cache was filled again");
    let mut kinds = written.kinds.clone();
    for (kind, then) in NOTICED {
        if let Some(keys) = kinds.remove(kind) {
            drill.note(format!("lost with Redis: {keys} keys {kind}:*; {then}"));
        }
    }
    let unnamed = kinds.remove("").unwrap_or(0);
    let others: Vec<_> = kinds.iter().map(|(kind, keys)| format!("{keys} {kind}:*")).collect();
    drill.note(format!("lost with Redis as well: {}, and {unnamed} others", others.join(", ")));
    let naming: Vec<_> = column(database.address(), roadtrip::DATABASE, CACHED)
        .await?
        .into_iter()
        .map(|id| (format!("story {id}"), Some(format!("{PREFIX}{id}"))))
        .collect();
    let there = &read_key_names(&cache.address(), PREFIX).await?.into_iter().collect();
    let (rule, remedy) =
        ("the newest stories are cached", "look why the application could not fill its cache");
    drill.judge_of("redis", &Coherence { rule, naming: &naming, there, remedy }).await;
    drill.judge_of("redis", &RedisLogJudge { server: cache }).await;
    Ok(())
}
