//! Damages to what a server holds beside its keys: functions, users, its log.

use comeback_engine::damage::{Damage, DamageSpec, Injury, LOG_WARNING};
use comeback_error::Result;
use comeback_model::FindingCode;
use redis::cmd;

use super::victims::{DATABASE, Keyspace, choose, named};
use crate::{RedisAddress, RedisClient};

/// Damages to a server.
pub(super) const DAMAGES: &[Damage<Keyspace>] = &[
    Damage {
        spec: DamageSpec {
            name: "function-gone",
            does: "a library of functions is deleted",
            judge: "fingerprint",
            finding: FindingCode::FunctionMissing,
        },
        inject: |aim| Box::pin(delete_library(aim.on, aim.seed)),
    },
    Damage {
        spec: DamageSpec {
            name: "user-gone",
            does: "a user of the server cannot log in any more",
            judge: "access",
            finding: FindingCode::AccessDiffers,
        },
        inject: |aim| Box::pin(delete_user(aim.on, aim.seed)),
    },
    Damage { spec: LOG_WARNING, inject: |aim| Box::pin(log_warning(aim.on)) },
];

async fn delete_library(server: &RedisAddress, seed: u64) -> Result<Injury> {
    let client = RedisClient::connect(server, DATABASE).await?;
    let library = choose(seed, libraries(&client).await?.into_iter())?;
    client.ask::<()>(cmd("FUNCTION").arg("DELETE").arg(&library)).await?;
    Ok(Injury::to(format!("function library {library}")))
}

async fn libraries(client: &RedisClient) -> Result<Vec<String>> {
    let answer: Vec<Vec<redis::Value>> = client.ask(cmd("FUNCTION").arg("LIST")).await?;
    Ok(named(&answer, "library_name"))
}

async fn delete_user(server: &RedisAddress, seed: u64) -> Result<Injury> {
    let client = RedisClient::connect(server, DATABASE).await?;
    let users: Vec<String> = client.ask(cmd("ACL").arg("USERS")).await?;
    let user = choose(seed, users.into_iter().filter(|user| user != "default"))?;
    client.ask::<u64>(cmd("ACL").arg("DELUSER").arg(&user)).await?;
    Ok(Injury::to(format!("user {user}")))
}

async fn log_warning(server: &RedisAddress) -> Result<Injury> {
    let client = RedisClient::connect(server, DATABASE).await?;
    let script = "redis.log(redis.LOG_WARNING, 'Short read or OOM loading DB') return 1";
    client.ask::<u64>(cmd("EVAL").arg(script).arg(0)).await?;
    Ok(Injury::to("restored server"))
}
