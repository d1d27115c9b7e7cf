//! The commands of pgBackRest, and what their exit codes mean.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use comeback_engine::RestoreFailure;
use comeback_model::{Finding, FindingCode};

use super::super::archive::ReadsLog;
use super::super::tool::{Said, run};
use super::listing::Stanza;
use crate::error::{Context as _, Error, Result};

const PROGRAM: &str = "pgbackrest";
/// The variable with the passphrase of an encrypted repository. Source: "Configuration Reference" of pgBackRest.
const PASSPHRASE: &str = "PGBACKREST_REPO1_CIPHER_PASS";
/// Exit codes that speak against the repository: a checksum, a format, a missing file, a cipher, a set of backups.
/// Source: `src/build/error/error.yaml` of pgBackRest.
const OF_THE_BACKUP: [(i32, &str); 6] = [
    (26, "ChecksumError"),
    (28, "FileInvalidError"),
    (29, "FormatError"),
    (55, "FileMissingError"),
    (75, "BackupSetInvalidError"),
    (95, "CryptoError"),
];

/// A repository and its stanza.
#[derive(Clone)]
pub(super) struct Pgbackrest {
    repository: PathBuf,
    stanza: String,
    pub(super) is_encrypted: bool,
    jobs: usize,
}

impl Pgbackrest {
    /// An encrypted repository needs its passphrase in the environment, because everybody could read an argument.
    pub(super) fn new(repository: PathBuf, stanza: &str, is_encrypted: bool, jobs: usize) -> Result<Self> {
        if is_encrypted && std::env::var_os(PASSPHRASE).is_none_or(|value| value.is_empty()) {
            let sentence =
                format!("the repository is encrypted, and the variable {PASSPHRASE} holds no passphrase");
            return Err(Error::usage(sentence)
                .hint(format!("export {PASSPHRASE}, with what repo1-cipher-pass is in production")));
        }
        Ok(Self { repository, stanza: stanza.to_owned(), is_encrypted, jobs: jobs.max(1) })
    }

    /// What the stanza holds.
    pub(super) async fn info(&self) -> Result<Stanza> {
        let args = ["info".to_owned(), "--output=json".to_owned()];
        let said = self.run(&args, Path::new("/")).await?;
        if said.code != 0 {
            return Err(failed("asking for the backups", &said));
        }
        let stanzas: Vec<Stanza> =
            serde_json::from_str(&said.output).context("reading what pgbackrest info printed")?;
        stanzas.into_iter().find(|stanza| stanza.name == self.stanza).ok_or_else(|| {
            Error::could_not_verify(format!("pgbackrest info does not name stanza {}", self.stanza))
        })
    }

    /// Restores a backup below a folder. A file that is damaged or missing is a finding with what the tool says.
    ///
    /// The recovery is ours (`--type=none`): the tool's own would read the repository from inside the server.
    pub(super) async fn restore(&self, label: &str, folder: &Path) -> Result<(), RestoreFailure> {
        let data = folder.join("data");
        tokio::fs::create_dir(&data).await.context("creating a folder for pgBackRest")?;
        let args = [
            "restore".to_owned(),
            format!("--set={label}"),
            "--type=none".to_owned(),
            "--archive-mode=off".to_owned(),
            format!("--pg1-path={}", data.display()),
            format!("--tablespace-map-all={}", folder.join("tablespaces").display()),
            format!("--lock-path={}", folder.join("lock").display()),
            format!("--process-max={}", self.jobs),
            // A second attempt after 15 s serves repositories on a network, and this one is on this machine.
            "--job-retry=0".to_owned(),
        ];
        let said = self.run(&args, folder).await?;
        match said.code {
            0 => Ok(()),
            _ if is_of_the_backup(&said) => {
                let subject = format!("backup {label}");
                let expected = "files that pgBackRest can restore";
                let finding = Finding::new(FindingCode::BackupDamaged, subject, expected, said.complaint);
                Err(finding
                    .remedy("restore an older backup, and find out what damages the repository")
                    .into())
            }
            _ => Err(failed(&format!("restoring backup {label}"), &said).into()),
        }
    }

    /// Removes the restored files, which are in the node by now, except the control file.
    pub(super) async fn keep_control_file_only(&self, folder: &Path) -> Result<()> {
        let doing = "removing the files that pgBackRest restored";
        let (data, control) = (folder.join("data"), folder.join("pg_control"));
        tokio::fs::rename(data.join("global/pg_control"), &control).await.context(doing)?;
        for rest in [&data, &folder.join("tablespaces")] {
            match tokio::fs::remove_dir_all(rest).await {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error).context(doing);
                }
                _ => {}
            }
        }
        tokio::fs::create_dir_all(data.join("global")).await.context(doing)?;
        tokio::fs::rename(&control, data.join("global/pg_control")).await.context(doing)
    }

    async fn run(&self, args: &[String], folder: &Path) -> Result<Said> {
        let mut all = vec![
            "--no-config".to_owned(),
            format!("--repo1-path={}", self.repository.display()),
            format!("--stanza={}", self.stanza),
            "--log-level-console=off".to_owned(),
            "--log-level-stderr=error".to_owned(),
            "--log-level-file=off".to_owned(),
        ];
        if self.is_encrypted {
            all.push("--repo1-cipher-type=aes-256-cbc".to_owned());
        }
        all.extend(args.iter().cloned());
        run(PROGRAM, &all, &[PASSPHRASE], folder).await
    }
}

/// Whether the tool blames a file of the repository: by its exit code, or, where it tried several repositories, by the
/// name of the error in its message.
fn is_of_the_backup(said: &Said) -> bool {
    let is_named = |name: &str| said.complaint.contains(&format!("[{name}]"));
    OF_THE_BACKUP.iter().any(|(code, name)| *code == said.code || is_named(name))
}

fn failed(doing: &str, said: &Said) -> Error {
    Error::could_not_verify(format!("{doing}: pgbackrest ended with {}: {}", said.code, said.complaint))
        .hint("run it as a user who may read the repository")
}

/// The log of a repository, one file at a time.
pub(super) struct SegmentsOfTool {
    pub(super) tool: Pgbackrest,
    /// The folder with the restored control file.
    pub(super) folder: PathBuf,
}

#[async_trait]
impl ReadsLog for SegmentsOfTool {
    async fn read(&self, name: &str, _: &str) -> Result<Vec<u8>, RestoreFailure> {
        let fetched = self.folder.join(name);
        let args = [
            format!("--pg1-path={}", self.folder.join("data").display()),
            format!("--lock-path={}", self.folder.join("lock").display()),
            "archive-get".to_owned(),
            name.to_owned(),
            fetched.display().to_string(),
        ];
        let said = self.tool.run(&args, &self.folder).await?;
        if said.code == 0 {
            let doing = format!("reading log file {name}");
            let content = tokio::fs::read(&fetched).await.context(&doing)?;
            tokio::fs::remove_file(&fetched).await.context(&doing)?;
            return Ok(content);
        }
        // 1: the tool does not find the file, which its archive lists.
        if said.code == 1 || is_of_the_backup(&said) {
            let subject = format!("log file {name} of stanza {}", self.tool.stanza);
            let actual = if said.complaint.is_empty() { "no such file".to_owned() } else { said.complaint };
            let expected = "a file that pgBackRest can fetch";
            let finding = Finding::new(FindingCode::BackupDamaged, subject, expected, actual);
            return Err(finding.remedy("replay can go no further: take a base backup at once").into());
        }
        Err(failed(&format!("fetching log file {name}"), &said).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_speaks_against_the_repository_is_told_from_what_does_not() {
        let said =
            |code, complaint: &str| Said { code, output: String::new(), complaint: complaint.to_owned() };
        assert!(is_of_the_backup(&said(29, "ERROR: [029]: zlib threw error: [-3] data error")));
        let of_one =
            "ERROR: [042]: unable to get 000000010000000000000009:; repo1: x [FormatError] zlib threw error";
        assert!(is_of_the_backup(&said(42, of_one)));
        assert!(!is_of_the_backup(&said(
            41,
            "ERROR: [041]: unable to open file 'x' for read: [13] Permission denied"
        )));
        assert!(!is_of_the_backup(&said(42, "ERROR: [042]: unable to get x:; repo1: [FileReadError] x")));
    }
}
