//! `comeback restore`: restores a backup, with the same code as the drills.

use comeback_engine::runner::Course;
use comeback_engine::substrate::RunIdentity;
use comeback_error::{Error, Result};
use comeback_redis::procedures::KeyspaceReplacement;
use comeback_redis::{RedisAddress, RedisClient, RedisUrl, Settled, check_target};
use comeback_reports::format;

use super::session::{self, Restore, left_behind};
use super::signals::cancel_on_signals;
use crate::cli::{RestoreCommand, RestoreRedisArgs, SubstrateArg};
use crate::config::Config;
use crate::output;
use crate::repository::tell_provenance;

pub(crate) async fn restore(command: RestoreCommand, config: &Config) -> Result<u8> {
    match command {
        RestoreCommand::Redis(args) => redis(&args, config).await,
        RestoreCommand::Postgres(args) => super::postgres::restore(&args, config).await,
        RestoreCommand::Csv(args) => super::postgres::csv(&args, config).await,
        RestoreCommand::Objects(args) => super::objects::restore(&args, config).await,
    }
}

async fn redis(args: &RestoreRedisArgs, config: &Config) -> Result<u8> {
    let url = super::redis::named(&args.to, &args.login)?;
    let confirmed = args.replace.as_deref().map(RedisUrl::parse).transpose()?;
    if confirmed.as_ref().is_some_and(|confirmed| !confirmed.is_same_place(&url)) {
        return Err(Error::usage(format!("--to names {url}, and --replace names another server"))
            .hint("name the same server in both, if it is the one to be replaced"));
    }
    let repository =
        super::open_repository_with(args.repository.as_ref(), config, false, &args.identity).await?;
    let snapshot = super::snapshot_named(&*repository, &args.id).await?;
    tell_provenance(&*repository, &args.id).await?;
    let target = super::redis::find(&url).await?;
    check_target(&target).await?;
    let keys: u64 = RedisClient::connect(&target, 0).await?.key_counts().await?.values().sum();
    if keys > 0 && confirmed.is_none() {
        return Err(Error::usage(format!("{target} holds {}", format::plural(keys, "key")))
            .hint(format!("to replace them, name it a second time: --replace {url}")));
    }
    let identity = RunIdentity::random(false)?;
    let run_id = identity.run_id.clone();
    let cancel = cancel_on_signals("removing what was started", move || left_behind(&run_id))?;
    let restore = Restore {
        name: "restore-redis",
        title: format!("{} replaces what {target} holds", snapshot.id),
        identity,
        substrate: Some(args.substrate.or(config.run.substrate).unwrap_or(SubstrateArg::Auto).into()),
        repository: Some(repository),
        evidence: &args.evidence,
        interrupted: Error::interrupted(format!("interrupted: check {target} before you use it"))
            .hint("nothing was removed: databases that were free before hold copies, or the old content")
            .hint("INFO keyspace shows them; those with a key comeback:restore:* have not been exchanged"),
    };
    session::restore(restore, config, &cancel, async |course: &mut Course| {
        let evidence = course.evidence_repository("damaged").await?;
        let begun = KeyspaceReplacement::begin(course, &target, &evidence).await?;
        let proven = begun.prove(course, &snapshot).await?;
        output::text(&format!(
            "{} loads on {}: {}, {} expired\n",
            snapshot.id,
            proven.proof.version(),
            format::plural(proven.loaded.keys, "key"),
            proven.loaded.expired
        ));
        let replacement = proven.exchange(course).await?;
        output::text(&format!(
            "put {} in place on {target}: copied and compared in {}, exchanged in {} µs\n",
            format::plural(replacement.replaced.keys, "key"),
            format::duration(replacement.replaced.copy_ms),
            replacement.replaced.exchange_us
        ));
        replacement.count_keys(course).await;
        let judged = replacement.judge(course).await;
        tell_settled(replacement.settle(course, judged).await?, &target)
    })
    .await
}

fn tell_settled(settled: Settled, target: &RedisAddress) -> Result<()> {
    match settled {
        Settled::New => Ok(()),
        Settled::Old => {
            output::text(&format!("{target} serves what it held before; the restored content is removed\n"));
            Ok(())
        }
        Settled::Both { why, back, functions, remove } => Err(Error::could_not_verify(why)
            .context(format!("{target} serves the restored content, and its old content is kept"))
            .hint(format!("to go back to the old content: {back}; its functions are in the key {functions}"))
            .hint(format!("to remove the old content: {remove}"))),
    }
}
