//! `comeback secrets`: exports secrets, encrypted, and imports them again, with the code that the drills run.

use comeback_harness::stores::secrets::{
    Identities, Recipients, SecretStore, export_secrets, import, open_store, plan_import, read_export_file,
};
use comeback_harness::{Error, Result};
use comeback_reports::format;

use crate::cli::{SecretsCommand, SecretsExportArgs, SecretsImportArgs};
use crate::config::Config;
use crate::output;

pub(crate) async fn secrets(command: SecretsCommand, config: &Config) -> Result<u8> {
    match command {
        SecretsCommand::Export(args) => export(&args, config).await,
        SecretsCommand::Import(args) => bring_back(&args, config).await,
    }
}

async fn export(args: &SecretsExportArgs, config: &Config) -> Result<u8> {
    let recipients = Recipients::parse(&args.recipients)?;
    let store = open_named(args.store.as_ref(), config).await?;
    let exported = export_secrets(&*store, &recipients, &args.out).await?;
    if !exported.without_value.is_empty() {
        output::error_line(&format!(
            "warning: disabled versions are in it without their values, which the store gives to nobody: {}",
            exported.without_value.join(", ")
        ));
    }
    output::text(&format!(
        "exported {}, {} of {} to {}, for {}\n",
        format::plural(exported.secrets.len() as u64, "secret"),
        format::plural(exported.version_count() as u64, "version"),
        store.location(),
        args.out.display(),
        format::plural(exported.export.recipients.len() as u64, "recipient"),
    ));
    Ok(0)
}

async fn bring_back(args: &SecretsImportArgs, config: &Config) -> Result<u8> {
    let identities = Identities::read(&args.identity)?;
    let store = open_named(args.store.as_ref(), config).await?;
    let opened = read_export_file(&args.file, &identities)?;
    output::text(&format!(
        "{} holds {}, {}, of {}\n",
        args.file.display(),
        format::plural(opened.secrets.0.len() as u64, "secret"),
        format::plural(opened.secrets.version_count() as u64, "version"),
        format::instant(opened.taken_at)
    ));
    let plan = plan_import(&*store, &opened.secrets, args.overwrite).await?;
    for lost in &plan.lost {
        output::error_line(&format!("warning: {lost} is destroyed in the store, and its number with it"));
    }
    for step in &plan.steps {
        output::text(&format!("  {step}\n"));
    }
    let (steps, unchanged) = (plan.steps.len() as u64, plan.unchanged as u64);
    let unchanged = format!("{} as in the export", format::plural(unchanged, "secret"));
    if args.dry_run {
        output::text(&format!(
            "{} to take, {unchanged}; nothing was changed\n",
            format::plural(steps, "step")
        ));
        return Ok(0);
    }
    import(&*store, &opened.secrets, &plan).await?;
    output::text(&format!(
        "took {} in {}, {unchanged}; all of the export is there\n",
        format::plural(steps, "step"),
        store.location()
    ));
    Ok(0)
}

/// The store that the user named.
async fn open_named(named: Option<&String>, config: &Config) -> Result<Box<dyn SecretStore>> {
    let named = named.or(config.secrets.store.as_ref()).ok_or_else(|| {
        Error::usage("no store of secrets was named").hint(
            "name a folder or gsm://PROJECT with --store, or as `store` under [secrets] in comeback.toml",
        )
    })?;
    open_store(&named.parse()?).await
}
