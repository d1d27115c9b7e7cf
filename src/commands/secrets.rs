//! `comeback secrets`: exports secrets, encrypted, and imports them, with the same code as the drills.

use comeback_engine::clock::Clock;
use comeback_engine::runner::Course;
use comeback_engine::substrate::RunIdentity;
use comeback_error::{Error, Result};
use comeback_reports::format;
use comeback_secrets::procedures::{Export, SecretsImport};
use comeback_secrets::{
    Identities, ImportPlan, OpenedExport, Recipients, SecretStore, export_secrets, open_store, plan_import,
    read_export_file,
};

use super::session::{self, Restore};
use super::signals::cancel_on_signals;
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
    let exported = export_secrets(&*store, &recipients, &args.out, &Clock::machine()).await?;
    if !exported.without_value.is_empty() {
        output::error_line(&format!(
            "warning: the export lacks the values of disabled versions, which the store does not give out: {}",
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
    if args.dry_run {
        return tell_plan(args, &*store, &identities).await;
    }
    let again = "run the same import again: it resumes where this one ended";
    let cancel = cancel_on_signals("ending the import", move || again.to_owned())?;
    let restore = Restore {
        name: "secrets-import",
        title: format!("{} comes back in {}", args.file.display(), store.location()),
        identity: RunIdentity::random(false)?,
        substrate: None,
        repository: None,
        evidence: &args.evidence,
        interrupted: Error::interrupted(
            "interrupted: some secrets may be imported already, and others not yet",
        )
        .hint(again),
    };
    session::restore(restore, config, &cancel, async |course: &mut Course| {
        let procedure = SecretsImport::open(course, Export::File(&args.file), &identities).await?;
        tell_opened(args, &procedure.opened);
        let plan = procedure.plan(course, &*store, args.overwrite).await?;
        tell_steps(&plan);
        procedure.carry_out(course, &*store, &plan).await?;
        output::text(&format!(
            "took {} in {}, {}; all of the export is there\n",
            format::plural(plan.steps.len() as u64, "step"),
            store.location(),
            unchanged(&plan)
        ));
        procedure.judge(course, &*store).await;
        Ok(())
    })
    .await
}

/// Shows what an import would do. Changes and records nothing.
async fn tell_plan(args: &SecretsImportArgs, store: &dyn SecretStore, identities: &Identities) -> Result<u8> {
    let opened = read_export_file(&args.file, identities)?;
    tell_opened(args, &opened);
    let plan = plan_import(store, &opened.secrets, args.overwrite).await?;
    tell_steps(&plan);
    let steps = format::plural(plan.steps.len() as u64, "step");
    output::text(&format!("{steps} to take, {}; nothing was changed\n", unchanged(&plan)));
    Ok(0)
}

fn tell_opened(args: &SecretsImportArgs, opened: &OpenedExport) {
    output::text(&format!(
        "{} holds {}, {}, of {}\n",
        args.file.display(),
        format::plural(opened.secrets.0.len() as u64, "secret"),
        format::plural(opened.secrets.version_count() as u64, "version"),
        format::instant(opened.taken_at)
    ));
}

fn tell_steps(plan: &ImportPlan) {
    for lost in &plan.lost {
        output::error_line(&format!("warning: {lost} is destroyed in the store, and its number with it"));
    }
    for step in &plan.steps {
        output::text(&format!("  {step}\n"));
    }
}

fn unchanged(plan: &ImportPlan) -> String {
    format!("{} as in the export", format::plural(plan.unchanged as u64, "secret"))
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
