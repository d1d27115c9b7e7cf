//! `comeback clean`: removes what killed runs left behind.

use comeback_engine::repository::ensure_may_remove;
use comeback_engine::substrate::{SubstrateChoice, SweepOptions, sweep};
use comeback_error::Result;

use crate::cli::{CleanArgs, SubstrateArg};
use crate::config::Config;
use crate::output;

/// Removes what dead runs left, and with `--kept` also kept servers. Exits 3 if something could not be removed, or if
/// a Docker daemon that was asked for does not answer.
pub(crate) async fn clean(args: &CleanArgs, config: &Config) -> Result<u8> {
    let mut has_removed = false;
    let choice = args.substrate.or(config.run.substrate).unwrap_or(SubstrateArg::Auto).into();
    let options = SweepOptions { include_kept: args.kept, ..SweepOptions::beside(choice) };
    let mut swept = sweep(&options).await?;
    if args.repository.is_some() || config.repository.main.url.is_some() {
        let repository = super::open_repository(args.repository.as_ref(), config, false).await?;
        if args.repository.is_some() {
            ensure_may_remove(&*repository)?;
        }
        for name in repository.sweep_unfinished().await? {
            output::text(&format!(
                "removed {name}, which a killed backup left in {}\n",
                repository.location()
            ));
            has_removed = true;
        }
    }
    for removed in &swept.removed {
        output::text(&format!("removed {removed}\n"));
    }
    if let Some(unreachable) = swept.unreachable {
        if choice == SubstrateChoice::Docker || std::env::var_os("DOCKER_HOST").is_some() {
            swept.problems.push(unreachable);
        } else {
            output::text(&format!("Docker was not looked at: {}\n", unreachable.message()));
        }
    }
    for problem in &swept.problems {
        output::error_line(&format!("warning: {problem}"));
    }
    if !has_removed && swept.removed.is_empty() && swept.problems.is_empty() {
        output::text("nothing was left behind\n");
    }
    Ok(if swept.problems.is_empty() { 0 } else { 3 })
}
