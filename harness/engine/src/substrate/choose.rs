//! Chooses the substrate of a run.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use comeback_error::{Error, Result};

use super::docker::{candidates, connect, is_present};
use super::local::{Account, SearchPath};
use super::{
    DockerSettings, DockerSubstrate, LocalSubstrate, RunIdentity, Software, Substrate, SubstrateKind,
};

/// The choice of the user.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SubstrateChoice {
    /// Docker if its daemon answers and has an image with servers; otherwise this machine if it has servers.
    #[default]
    Auto,
    /// Docker only.
    Docker,
    /// This machine only.
    Local,
}

impl SubstrateChoice {
    /// `auto`, `docker` or `local`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Docker => SubstrateKind::Docker.as_str(),
            Self::Local => SubstrateKind::Local.as_str(),
        }
    }
}

impl fmt::Display for SubstrateChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for SubstrateChoice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        [Self::Auto, Self::Docker, Self::Local]
            .into_iter()
            .find(|choice| choice.as_str() == text)
            .ok_or_else(|| Error::usage(format!("`{text}` is no substrate: auto, docker or local is wanted")))
    }
}

/// Opens the substrate of a run.
pub async fn open(
    choice: SubstrateChoice,
    run: &RunIdentity,
    settings: &DockerSettings,
) -> Result<Arc<dyn Substrate>> {
    Ok(match kind_of(choice, settings).await? {
        SubstrateKind::Docker => Arc::new(DockerSubstrate::new(run, settings).await?),
        SubstrateKind::Local => Arc::new(LocalSubstrate::new(run)?),
    })
}

/// The substrate that a choice selects on this machine.
pub async fn kind_of(choice: SubstrateChoice, settings: &DockerSettings) -> Result<SubstrateKind> {
    match choice {
        SubstrateChoice::Auto => choose(settings).await,
        SubstrateChoice::Docker => Ok(SubstrateKind::Docker),
        SubstrateChoice::Local => Ok(SubstrateKind::Local),
    }
}

/// The better of the two: one with PostgreSQL, which most drills need, comes before one with only Redis.
async fn choose(settings: &DockerSettings) -> Result<SubstrateKind> {
    let mut reasons = Vec::new();
    for software in [Software::Postgres, Software::Redis] {
        match docker_has(settings, software).await {
            Ok(()) => return Ok(SubstrateKind::Docker),
            Err(reason) => reasons.push(reason),
        }
        match local_has(software) {
            Ok(()) => return Ok(SubstrateKind::Local),
            Err(reason) => reasons.push(reason),
        }
    }
    Err(neither(&reasons))
}

async fn docker_has(settings: &DockerSettings, software: Software) -> Result<()> {
    let (docker, _) = connect().await?;
    let candidates = candidates(settings, software);
    for image in &candidates {
        if is_present(&docker, image).await? {
            return Ok(());
        }
    }
    Err(Error::could_not_verify(format!("the Docker daemon has no image {}", candidates.join(" or ")))
        .hint("docker pull postgres:15, or make setup, which builds an image from Debian's packages"))
}

fn local_has(software: Software) -> Result<()> {
    let search = SearchPath::of_this_machine(&Account::choose()?);
    let needed: &[&str] = match software {
        Software::Postgres => &["setsid", "setpriv", "initdb", "postgres"],
        Software::Bind => &["setsid", "setpriv", "named"],
        Software::Redis | Software::Application => &["setsid", "setpriv"],
    };
    needed.iter().try_for_each(|program| search.find(program).map(drop))?;
    if software == Software::Redis { search.find_redis().map(drop) } else { Ok(()) }
}

/// The error that lists what both lack, and every remedy once.
fn neither(reasons: &[Error]) -> Error {
    let mut sentences: Vec<&str> = Vec::new();
    let mut hints: Vec<&str> = Vec::new();
    for reason in reasons {
        if !sentences.contains(&reason.message()) {
            sentences.push(reason.message());
        }
        hints.extend(reason.hints().iter().map(String::as_str));
    }
    let error =
        Error::could_not_verify(format!("there is nowhere to run a server: {}", sentences.join("; ")));
    let mut told: Vec<&str> = Vec::new();
    hints.into_iter().fold(error, |error, hint| {
        if told.contains(&hint) {
            return error;
        }
        told.push(hint);
        error.hint(hint)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_read_as_it_is_written() {
        for choice in [SubstrateChoice::Auto, SubstrateChoice::Docker, SubstrateChoice::Local] {
            assert_eq!(choice.as_str().parse(), Ok(choice));
        }
        assert!("podman".parse::<SubstrateChoice>().is_err());
    }

    #[test]
    fn each_reason_and_each_way_out_is_told_once() {
        let docker = Error::could_not_verify("no daemon").hint("start it");
        let local = Error::could_not_verify("no initdb").hint("install it");
        let error = neither(&[docker.clone(), local, docker]);
        assert_eq!(error.message(), "there is nowhere to run a server: no daemon; no initdb");
        assert_eq!(error.hints(), ["start it", "install it"]);
    }
}
