//! `comeback restore`: brings a backup back, with the code that the drills run.

use std::sync::Arc;

use comeback_harness::model::Manifest;
use comeback_harness::oracle::{KeyspaceOracle, Oracle as _};
use comeback_harness::repository::LocalRepository;
use comeback_harness::runner::tear_down;
use comeback_harness::secret::Secret;
use comeback_harness::stores::redis::{
    Judgement, RedisAddress, RedisClient, RedisServer, RestoreSettings, Settled, replace_keyspace,
    restore_snapshot,
};
use comeback_harness::substrate::{DockerSettings, RunIdentity, Substrate, open};
use comeback_harness::{Error, Result};
use comeback_reports::format;
use comeback_reports::text::one_line;

use super::signals::cancel_on_signals;
use crate::cli::{RestoreCommand, RestoreRedisArgs, SubstrateArg};
use crate::config::Config;
use crate::output;

pub(crate) async fn restore(command: RestoreCommand, config: &Config) -> Result<u8> {
    match command {
        RestoreCommand::Redis(args) => redis(&args, config).await,
        RestoreCommand::Objects(args) => super::objects::restore(&args).await,
    }
}

async fn redis(args: &RestoreRedisArgs, config: &Config) -> Result<u8> {
    let target = super::redis_address(&args.to, args.password_file.as_deref())?;
    let confirmed = args.replace.as_deref().map(RedisAddress::parse).transpose()?;
    if confirmed.as_ref().is_some_and(|confirmed| !confirmed.is_same_place(&target)) {
        return Err(Error::usage(format!("--to names {target}, and --replace names another server"))
            .hint("name the same server in both, if it is the one to be replaced"));
    }
    let repository = super::open_repository(args.repository.as_ref(), config, false).await?;
    let manifest = super::snapshot_named(&repository, &args.id).await?;
    let keys: u64 = RedisClient::connect(&target, 0).await?.key_counts().await?.values().sum();
    if keys > 0 && confirmed.is_none() {
        return Err(Error::usage(format!("{target} holds {}", format::plural(keys, "key")))
            .hint(format!("to replace them, name it a second time: --replace {target}")));
    }
    let identity = RunIdentity::random(false)?;
    let run_id = identity.run_id.clone();
    let cancel = cancel_on_signals("removing what was started", move || super::run::left_behind(&run_id))?;
    let choice = args.substrate.or(config.run.substrate).unwrap_or(SubstrateArg::Auto).into();
    let settings = DockerSettings { image: config.docker.image.clone() };
    let substrate = open(choice, &identity, &settings).await?;
    let outcome = tokio::select! {
        outcome = bring_back(&substrate, &repository, &manifest, &target) => outcome,
        () = cancel.cancelled() => Err(Error::interrupted(format!("interrupted: look at {target} before it is used"))
            .hint("nothing was removed: copies, or the old content, are in databases that were free before")
            .hint("INFO keyspace shows them; those with a key comeback:restore:* have not been exchanged")),
    };
    let removed = tear_down(&*substrate).await;
    let code = outcome?;
    removed?;
    Ok(code)
}

/// Proves the backup on a throw-away server, replaces what the target holds, and looks whether it is right.
async fn bring_back(
    substrate: &Arc<dyn Substrate>,
    repository: &LocalRepository,
    manifest: &Manifest,
    target: &RedisAddress,
) -> Result<u8> {
    let proof = RedisServer::create(&**substrate, "proof", &Secret::random()?).await?;
    let (_, loaded) = restore_snapshot(&proof, repository, manifest, &RestoreSettings::default()).await?;
    output::text(&format!(
        "{} loads on {}: {}, {} expired\n",
        manifest.id,
        proof.version(),
        format::plural(loaded.keys, "key"),
        loaded.expired
    ));
    let (_, recorded) = manifest.content.keyspace()?;
    let replaced = replace_keyspace(&proof.address(), target, recorded).await?;
    output::text(&format!(
        "put {} in place on {target}: copied and compared in {}, exchanged in {} µs\n",
        format::plural(replaced.keys, "key"),
        format::duration(replaced.copy_ms),
        replaced.exchange_us
    ));
    let opinion = KeyspaceOracle { server: target, recorded, set_aside: &replaced.set_aside() }.judge().await;
    let judgement = match &opinion {
        Ok(opinion) if opinion.findings.is_empty() => Judgement::Agreed,
        Ok(_) => Judgement::Disagreed,
        Err(_) => Judgement::Unknown,
    };
    if let Ok(opinion) = &opinion {
        output::text(&format!("{}\n", opinion.summary));
        for thing in &opinion.not_looked_at {
            output::text(&format!("not looked at: {}\n", one_line(&thing.to_string())));
        }
        for finding in &opinion.findings {
            output::error_line(&format!("finding: {}", one_line(&finding.to_string())));
        }
    }
    match (replaced.settle(judgement).await?, opinion) {
        (Settled::New, _) => Ok(0),
        (Settled::Old, _) => {
            output::text(&format!("{target} serves what it held before; the restored content is removed\n"));
            Ok(1)
        }
        (Settled::Both { why, back, functions, remove }, opinion) => {
            let error = opinion.err().unwrap_or_else(|| Error::could_not_verify(why));
            Err(error
                .context(format!("{target} serves the restored content, and its old content is kept"))
                .hint(format!(
                    "to go back to the old content: {back}; its functions are in the key {functions}"
                ))
                .hint(format!("to remove the old content: {remove}")))
        }
    }
}
