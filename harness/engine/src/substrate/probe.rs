//! Examines a machine, for a person who wonders why a drill does not start.

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use comeback_error::{Context, Error, Result};

use super::disk::free_bytes;
use super::docker::{candidates, connect, is_present};
use super::local::{Account, SearchPath, base_dir, prepare_base};
use super::{DockerSettings, REDIS_PROGRAMS, Software};

/// The programs of PostgreSQL that drills use.
const POSTGRES_PROGRAMS: [&str; 9] = [
    "initdb",
    "postgres",
    "psql",
    "pg_basebackup",
    "pg_verifybackup",
    "pg_dump",
    "pg_restore",
    "pg_amcheck",
    "pg_waldump",
];
/// The programs that start and clean up processes.
const SYSTEM_PROGRAMS: [&str; 3] = ["setsid", "setpriv", "ipcrm"];

/// What Docker provides.
#[derive(Debug, Clone)]
pub struct DockerProbe {
    /// The daemon's version, or why it does not answer.
    pub version: Result<String>,
    /// The first and the last port in the range for publishing nodes.
    pub ports: Result<(u16, u16)>,
    /// Each suitable image, and whether the daemon has it. Empty if it does not answer.
    pub images: Vec<ImageProbe>,
}

/// Whether the daemon has an image.
#[derive(Debug, Clone)]
pub struct ImageProbe {
    /// The server software in it.
    pub software: Software,
    /// Its name and tag.
    pub image: String,
    /// Whether it exists, or why that is unknown.
    pub is_present: Result<bool>,
}

/// What this machine provides.
#[derive(Debug, Clone)]
pub struct LocalProbe {
    /// The parent folder of runs, or why it cannot be used.
    pub folder: Result<PathBuf>,
    /// The name of the user that programs would run as.
    pub user: Result<String>,
    /// The bytes that an ordinary user can still write on the disk of the runs' folders.
    pub free_bytes: Result<u64>,
    /// Each program that PostgreSQL drills use, and those that all drills need.
    pub programs: Vec<ProgramProbe>,
    /// The server of Redis or Valkey, under any of its names.
    pub redis: ProgramProbe,
    /// The server of BIND.
    pub name_server: ProgramProbe,
}

/// Whether this machine has a program.
#[derive(Debug, Clone)]
pub struct ProgramProbe {
    /// Its name.
    pub name: &'static str,
    /// Its path, or how to install it.
    pub path: Result<PathBuf>,
    /// The first line of its version output.
    pub version: Option<String>,
}

/// Asks the daemon for its version and images.
pub async fn probe_docker(settings: &DockerSettings) -> DockerProbe {
    let ports = port_range();
    let (docker, version) = match connect().await {
        Ok(connected) => connected,
        Err(error) => return DockerProbe { version: Err(error), ports, images: Vec::new() },
    };
    let mut images = Vec::new();
    for software in [Software::Postgres, Software::Redis] {
        for image in candidates(settings, software) {
            let is_present = is_present(&docker, &image).await;
            images.push(ImageProbe { software, image, is_present });
        }
    }
    DockerProbe { version: Ok(version), ports, images }
}

/// Looks for the programs, the user and the disk space that servers need on this machine.
///
/// Starts each program once, for its version, which may take a second.
pub fn probe_local() -> LocalProbe {
    let account = Account::choose();
    let search = account.as_ref().map(SearchPath::of_this_machine);
    let programs = [&SYSTEM_PROGRAMS[..], &POSTGRES_PROGRAMS].concat();
    let programs = search.as_ref().map_or_else(
        |_| Vec::new(),
        |search| programs.into_iter().map(|name| probe_program(search, name)).collect(),
    );
    let redis = probe_redis(search.clone().map_err(Error::clone));
    let name_server = probe_name_server(search.map_err(Error::clone));
    LocalProbe {
        folder: account.clone().and_then(|account| prepare_base(&account)),
        user: account.map(|account| account.name),
        free_bytes: base_dir().and_then(|base| free_bytes(base.parent().unwrap_or(&base))),
        programs,
        redis,
        name_server,
    }
}

fn probe_redis(search: Result<SearchPath>) -> ProgramProbe {
    let found = search.and_then(|search| search.find_redis());
    let version = found.as_ref().ok().and_then(|(_, path)| {
        // Whatever the name of the file, under this name it is the server.
        version_of(Command::new(path).arg0("redis-server"))
    });
    ProgramProbe { name: REDIS_PROGRAMS[0].name, path: found.map(|(_, path)| path), version }
}

fn probe_name_server(search: Result<SearchPath>) -> ProgramProbe {
    let (name, path) = ("named", search.and_then(|search| search.find("named")));
    let version = path.as_ref().ok().and_then(|path| first_line(Command::new(path).arg("-v")));
    ProgramProbe { name, path, version }
}

fn probe_program(search: &SearchPath, name: &'static str) -> ProgramProbe {
    let path = search.find(name);
    let version = path.as_ref().ok().and_then(|path| version_of(&mut Command::new(path)));
    ProgramProbe { name, path, version }
}

fn version_of(command: &mut Command) -> Option<String> {
    first_line(command.arg("--version"))
}

fn first_line(command: &mut Command) -> Option<String> {
    let output = command.output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().next().filter(|line| !line.is_empty()).map(str::to_owned)
}

/// The kernel's range of ephemeral ports, which Docker uses for published ports.
fn port_range() -> Result<(u16, u16)> {
    let doing = "read the range of ports";
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").context(doing)?;
    let mut ports = text.split_whitespace().map(str::parse::<u16>);
    match (ports.next(), ports.next()) {
        (Some(Ok(first)), Some(Ok(last))) if first <= last => Ok((first, last)),
        _ => Err(Error::could_not_verify(format!("{doing}: `{}` is none", text.trim()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_described() {
        let probe = probe_local();
        assert!(probe.free_bytes.unwrap() > 0);
        assert!(port_range().unwrap().0 > 0);
        let setpriv = probe.programs.iter().find(|program| program.name == "setpriv").unwrap();
        assert!(setpriv.path.is_ok() && setpriv.version.as_deref().unwrap().contains("util-linux"));
        assert_eq!((probe.programs.len(), probe.redis.name), (12, "redis-server"));
    }
}
