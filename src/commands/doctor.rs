//! `comeback doctor`: reports what is installed, what is missing, whether backups can be read, and how to fix it.

use comeback_engine::substrate::{
    DockerProbe, DockerSettings, LocalProbe, Software, SubstrateKind, probe_docker, probe_local,
};
use comeback_error::{Context as _, Error, Result};
use comeback_reports::{artefact_line, format};

use crate::cli::SubstrateArg;
use crate::config::Config;
use crate::output;
use crate::places::{look_for, open_place};
use crate::repository::RepositoryUrl;

/// Warn below this much free disk: a drill of the smallest scale needs some 300 MB.
const LITTLE_DISK_BYTES: u64 = 1 << 30;

/// One thing that was checked.
struct Line {
    good: bool,
    text: String,
    hints: Vec<String>,
}

impl Line {
    fn new<T>(looked: &Result<T>, what: &str, tell: impl Fn(&T) -> String) -> Self {
        match looked {
            Ok(value) => Self { good: true, text: format!("{what}: {}", tell(value)), hints: Vec::new() },
            Err(error) => Self {
                good: false,
                text: format!("{what}: {}", error.message()),
                hints: error.hints().to_vec(),
            },
        }
    }
}

/// Checks every substrate that the user may mean. Exits 0 if a drill could run, and 3 otherwise.
pub(crate) async fn doctor(named: Option<SubstrateArg>, config: &Config) -> Result<u8> {
    let choice = named.or(config.run.substrate).unwrap_or(SubstrateArg::Auto);
    let mut usable = Vec::new();
    if choice != SubstrateArg::Local {
        let settings = DockerSettings { image: config.docker.image.clone() };
        let (lines, good) = docker_lines(&probe_docker(&settings).await);
        usable.extend(show(SubstrateKind::Docker, &lines, good));
    }
    if choice != SubstrateArg::Docker {
        let probe = tokio::task::spawn_blocking(probe_local).await.context("looking at this machine")?;
        let (lines, good) = local_lines(&probe);
        usable.extend(show(SubstrateKind::Local, &lines, good));
    }
    let Some(kind) = usable.first() else {
        return Err(Error::could_not_verify("no drill can run on this machine")
            .hint("`make setup` installs what is missing"));
    };
    output::listing(&format!("\ndrills can run, on {kind}\n"));
    if config.repository.main.url.is_some() {
        repository(config).await?;
    }
    let unseen = backups(config).await;
    if unseen > 0 {
        let what = format::plural(unseen as u64, "declared backup");
        return Err(Error::could_not_verify(format!("{what} cannot be verified from here"))
            .hint("correct `from` of each under [[backup]] in comeback.toml, or its permissions"));
    }
    Ok(0)
}

/// Looks at the repository of the settings: lists it, and says whether this user could write there, which is found out
/// without writing.
async fn repository(config: &Config) -> Result<()> {
    let unreachable = |error: Error| {
        let hints = error.hints().iter().cloned();
        let told = Error::could_not_verify(format!("repository: {}", error.message()));
        hints.fold(told, Error::hint)
    };
    let url = config.repository.main.url.as_ref();
    if url.is_some_and(RepositoryUrl::is_missing_folder) {
        output::listing("  ✓ repository: nothing there yet; the first backup makes its folder\n");
        return Ok(());
    }
    // A bucket holds nothing before the first backup, and opening it makes nothing.
    let is_bucket = matches!(url, Some(RepositoryUrl::Bucket(..)));
    let repository = super::open_repository(None, config, is_bucket).await.map_err(unreachable)?;
    let backups = repository.list().await.map_err(unreachable)?.len() as u64;
    let rights = match repository.may_write().await {
        Ok(Some(true)) => "this user could write there",
        Ok(Some(false)) => "this user cannot write there",
        Ok(None) | Err(_) => "not looked at: whether this user could write there",
    };
    let rule = if repository.is_append_only() { "; append-only" } else { "" };
    let (place, backups) = (repository.location(), format::plural(backups, "backup"));
    output::listing(&format!("  ✓ repository {place}: lists {backups}, none of them read; {rights}{rule}\n"));
    Ok(())
}

/// Looks at each declared backup: lists its place, reads the start of it, and says whether this user could write there,
/// which is found out without writing. Returns how many are not there, or not recognised.
async fn backups(config: &Config) -> usize {
    let mut unseen = 0;
    for backup in &config.backups {
        let looked = match backup.options() {
            Ok(options) => look_for(&backup.from, &backup.identity, options).await,
            Err(error) => Err(error),
        };
        let line = Line::new(&looked, &backup.name, |artefact| artefact_line(&artefact.summary()));
        unseen += usize::from(!line.good);
        let mut hints = line.hints;
        let mut text = line.text;
        if line.good {
            match may_write(&backup.from).await {
                Ok(Some(false)) => text.push_str("; this user cannot write there"),
                Ok(Some(true)) => hints
                    .push(format!("this user can write to {}: verify as one who can only read", backup.from)),
                Ok(None) => text.push_str("; not looked at: whether this user could write there"),
                Err(error) => {
                    text.push_str("; not looked at: whether this user could write there");
                    hints.push(error.message().to_owned());
                }
            }
        }
        output::listing(&format!("  {} {text}\n", if line.good { "✓" } else { "✗" }));
        for hint in hints {
            output::listing(&format!("      hint: {hint}\n"));
        }
    }
    unseen
}

async fn may_write(from: &str) -> Result<Option<bool>> {
    open_place(from).await?.may_write().await
}

/// Shows what was checked; returns the substrate if it can be used.
fn show(kind: SubstrateKind, lines: &[Line], usable: bool) -> Option<SubstrateKind> {
    let mark = |good: bool| if good { "✓" } else { "✗" };
    output::listing(&format!("{} {kind}\n", mark(usable)));
    for line in lines {
        output::listing(&format!("  {} {}\n", mark(line.good), line.text));
        for hint in &line.hints {
            output::listing(&format!("      hint: {hint}\n"));
        }
    }
    usable.then_some(kind)
}

fn docker_lines(probe: &DockerProbe) -> (Vec<Line>, bool) {
    let mut lines = vec![Line::new(&probe.version, "daemon", |version| format!("version {version}"))];
    lines.push(Line::new(&probe.ports, "ports, on loopback", |(first, last)| format!("{first} to {last}")));
    for image in &probe.images {
        let what = format!("image {} for {}", image.image, software(image.software));
        let told = |present: &bool| if *present { "there" } else { "not there" }.to_owned();
        let mut line = Line::new(&image.is_present, &what, told);
        line.good &= image.is_present == Ok(true);
        lines.push(line);
    }
    let has_postgres =
        probe.images.iter().any(|image| image.software == Software::Postgres && image.is_present == Ok(true));
    if probe.version.is_ok() && !has_postgres {
        lines.push(Line {
            good: false,
            text: "one image for PostgreSQL is needed".to_owned(),
            hints: vec![
                "`docker pull postgres:15`, or `make setup`, which builds one from Debian packages"
                    .to_owned(),
            ],
        });
    }
    (lines, probe.version.is_ok() && has_postgres)
}

fn local_lines(probe: &LocalProbe) -> (Vec<Line>, bool) {
    let mut lines = vec![
        Line::new(&probe.folder, "folder", |folder| folder.display().to_string()),
        Line::new(&probe.user, "servers run as", Clone::clone),
    ];
    let mut disk = Line::new(&probe.free_bytes, "free disk", |bytes| format::bytes(*bytes));
    if probe.free_bytes.as_ref().is_ok_and(|bytes| *bytes < LITTLE_DISK_BYTES) {
        disk.good = false;
        disk.hints.push("set TMPDIR to a folder with more room".to_owned());
    }
    lines.push(disk);
    for program in probe.programs.iter().chain([&probe.redis, &probe.name_server]) {
        lines.push(Line::new(&program.path, program.name, |path| {
            let version =
                program.version.as_deref().map(|version| format!(", {version}")).unwrap_or_default();
            format!("{}{version}", path.display())
        }));
    }
    // A drill of PostgreSQL needs neither Redis nor a name server.
    let usable = probe.folder.is_ok()
        && probe.user.is_ok()
        && probe.programs.iter().all(|program| program.path.is_ok());
    (lines, usable)
}

fn software(software: Software) -> &'static str {
    match software {
        Software::Postgres => "PostgreSQL",
        Software::Redis => "Redis",
        Software::Bind => "BIND",
        Software::Application => "applications",
    }
}
