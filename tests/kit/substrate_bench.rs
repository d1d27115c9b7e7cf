//! Opens a substrate to test the substrate itself, and looks for what it leaves behind.

use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::process;
use std::sync::Arc;

use comeback_engine::substrate::{
    Command, DockerSettings, Io, Node, NodeSpec, Output, Reach, RunIdentity, Software, Substrate,
    SubstrateChoice, SubstrateKind, open, probe_docker,
};
use comeback_error::Error;

use super::require::or_skip;

/// One run's substrate.
pub(crate) struct SubstrateBench {
    pub(crate) substrate: Arc<dyn Substrate>,
    pub(crate) run: RunIdentity,
}

impl SubstrateBench {
    pub(crate) async fn local(keep: bool) -> Option<Self> {
        Self::open(SubstrateChoice::Local, keep).await
    }

    pub(crate) async fn docker(keep: bool) -> Option<Self> {
        let probe = probe_docker(&DockerSettings::default()).await;
        let found = probe.version.and_then(|_| {
            let found = probe
                .images
                .iter()
                .find(|image| image.software == Software::Postgres && matches!(image.is_present, Ok(true)));
            found.ok_or_else(|| Error::could_not_verify("no image with PostgreSQL: run make setup"))
        });
        or_skip("docker", found)?;
        Self::open(SubstrateChoice::Docker, keep).await
    }

    async fn open(choice: SubstrateChoice, keep: bool) -> Option<Self> {
        let run = identity(keep);
        let opened = open(choice, &run, &DockerSettings::default()).await;
        Some(Self { substrate: or_skip(choice.as_str(), opened)?, run })
    }

    /// A node for PostgreSQL.
    pub(crate) async fn node(&self, name: &str) -> Arc<dyn Node> {
        self.substrate.create(&spec(name)).await.unwrap()
    }

    /// The same in a region.
    pub(crate) async fn node_in(&self, region: &str, name: &str) -> Arc<dyn Node> {
        let substrate = Arc::clone(&self.substrate).in_region(region).unwrap();
        substrate.create(&spec(name)).await.unwrap()
    }

    pub(crate) fn is_local(&self) -> bool {
        self.substrate.kind() == SubstrateKind::Local
    }

    /// Removes the run, and checks for leftovers.
    pub(crate) async fn clear(self) {
        self.substrate.remove_all().await.unwrap();
        self.substrate.remove_all().await.unwrap();
        self.assert_nothing_is_left();
    }

    pub(crate) fn assert_nothing_is_left(&self) {
        assert_eq!(left_behind(self.substrate.kind(), &self.run.run_id), Vec::<String>::new());
    }
}

pub(crate) fn spec(name: &str) -> NodeSpec {
    NodeSpec {
        name: name.to_owned(),
        software: Software::Postgres,
        major: None,
        port: 5432,
        reach: Reach::Endpoint,
    }
}

pub(crate) fn identity(keep: bool) -> RunIdentity {
    let random = RandomState::new().hash_one(process::id());
    RunIdentity::new(format!("{:08x}", random & 0xffff_ffff), keep).unwrap()
}

pub(crate) fn run_folder(run_id: &str) -> PathBuf {
    let uid = first_line("id", &["-u"]);
    std::env::temp_dir().join(format!("comeback-{uid}")).join(run_id)
}

/// Leftovers of a run: processes, folders, containers, networks.
pub(crate) fn left_behind(kind: SubstrateKind, run_id: &str) -> Vec<String> {
    match kind {
        SubstrateKind::Local => {
            let folder = run_folder(run_id);
            let mut left = processes_in(&folder.to_string_lossy());
            left.extend(folder.exists().then(|| folder.display().to_string()));
            left
        }
        SubstrateKind::Docker => {
            let filter = format!("label=dev.comeback.run={run_id}");
            let mut left = lines("docker", &["ps", "-aq", "--filter", &filter]);
            left.extend(lines("docker", &["network", "ls", "-q", "--filter", &filter]));
            left
        }
    }
}

/// The processes whose working directory is in a folder, or whose command line names it.
pub(crate) fn processes_in(folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let path = entry.path();
        let cwd = std::fs::read_link(path.join("cwd")).unwrap_or_default();
        let line = std::fs::read(path.join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if cwd.starts_with(folder) || line.contains(folder) {
            found.push(format!("{}: {line}", path.display()));
        }
    }
    found
}

/// The output of a program on this machine.
pub(crate) fn lines(program: &str, args: &[&str]) -> Vec<String> {
    let output = process::Command::new(program).args(args).output().unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

pub(crate) fn first_line(program: &str, args: &[&str]) -> String {
    lines(program, args).remove(0)
}

/// A shell command, in a node.
pub(crate) fn sh(script: &str) -> Command {
    Command::new("sh").arg("-c").arg(script)
}

/// Runs it, without input.
pub(crate) async fn run(node: &dyn Node, command: &Command) -> Output {
    node.exec(command, Io::default()).await.unwrap()
}

/// Runs a script that must succeed, and returns its output.
pub(crate) async fn printed(node: &dyn Node, script: &str) -> String {
    run(node, &sh(script)).await.success(script).unwrap().text()
}
