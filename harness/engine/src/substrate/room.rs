//! Whether a machine has enough disk and memory for the drills: checked before anything starts, and watched while
//! they run.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use comeback_error::{Context as _, Error, Result};

use super::SubstrateKind;
use super::disk::free_bytes;
use super::docker::connect;
use super::local::base_dir;
use crate::wait;

/// With less free disk or memory than this, a server is about to fail with an error that explains nothing.
const LEAST_FREE_BYTES: u64 = 32 << 20;
/// How often disks are checked. A check is one system call.
const EVERY: Duration = Duration::from_secs(1);

/// What drills need, in bytes: estimates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Need {
    /// The disk space of the servers' nodes.
    pub node_bytes: u64,
    /// The disk space of the backup repositories, in addition to the nodes.
    pub repository_bytes: u64,
    /// The memory of the servers.
    pub memory_bytes: u64,
}

/// The resources under a substrate.
#[derive(Debug, Clone)]
pub struct Room {
    /// The disk of the nodes' data; `None` if it is another machine's.
    nodes: Option<PathBuf>,
    /// The disk of the backup repositories.
    repositories: PathBuf,
    /// The memory available to servers, in bytes; `None` if unknown.
    memory_bytes: Option<u64>,
}

impl Room {
    /// Examines the resources under a substrate.
    pub async fn of(kind: SubstrateKind) -> Result<Self> {
        let base = base_dir()?;
        let repositories = base.parent().unwrap_or(&base).to_owned();
        let (nodes, memory_bytes) = match kind {
            SubstrateKind::Local => (Some(repositories.clone()), free_memory()),
            SubstrateKind::Docker => {
                let info =
                    connect().await?.0.info().await.context("ask the Docker daemon about its machine")?;
                let total = info.mem_total.and_then(|bytes| u64::try_from(bytes).ok());
                // The folder of a daemon on another machine is not here.
                let folder = info.docker_root_dir.map(PathBuf::from).filter(|folder| folder.is_dir());
                (folder, total.map(|total| free_memory().map_or(total, |free| free.min(total))))
            }
        };
        Ok(Self { nodes, repositories, memory_bytes })
    }

    /// Refuses to start what there is not enough room for.
    pub fn check(&self, need: Need) -> Result<()> {
        for (place, needed, what) in self.demands(need)? {
            let free = free_bytes(place)?;
            if free < needed {
                return Err(Error::usage(format!(
                    "the {what} need about {} on the disk of {}, and {} are free",
                    megabytes(needed),
                    place.display(),
                    megabytes(free)
                ))
                .hint("drill with less data (--scale), fewer drills at once (--jobs), or free some disk")
                .hint("TMPDIR names the folder of local servers and of backups"));
            }
        }
        match self.memory_bytes {
            Some(free) if free < need.memory_bytes => Err(Error::usage(format!(
                "the servers need about {} of memory, and {} are free",
                megabytes(need.memory_bytes),
                megabytes(free)
            ))
            .hint("drill with less data (--scale), or fewer drills at once (--jobs)")),
            _ => Ok(()),
        }
    }

    /// The places, the bytes that each must hold, and the purpose. Two places on one disk are combined.
    fn demands(&self, need: Need) -> Result<Vec<(&Path, u64, &'static str)>> {
        let repositories = self.repositories.as_path();
        let Some(nodes) = self.nodes.as_deref() else {
            return Ok(vec![(repositories, need.repository_bytes, "backups")]);
        };
        let device = |path: &Path| fs::metadata(path).map(|meta| meta.dev());
        let doing = "look at the disks";
        if device(nodes).context(doing)? == device(repositories).context(doing)? {
            let both = need.node_bytes.saturating_add(need.repository_bytes);
            return Ok(vec![(nodes, both, "servers and backups")]);
        }
        Ok(vec![(nodes, need.node_bytes, "servers"), (repositories, need.repository_bytes, "backups")])
    }

    /// Returns the error of a disk or a memory that is almost full, as soon as there is one.
    pub async fn until_full(&self) -> Error {
        loop {
            // A disk that cannot be checked is reported by whatever uses it.
            if let Some(full) = self.full(free_memory(), |place| free_bytes(place).ok()) {
                return full;
            }
            wait::rest(EVERY, std::future::pending::<()>()).await;
        }
    }

    /// The error of the first resource that is almost full, from the free memory and the free space on the disk of
    /// a folder.
    fn full(&self, memory: Option<u64>, disk: impl Fn(&Path) -> Option<u64>) -> Option<Error> {
        let is_short = |free: &u64| *free < LEAST_FREE_BYTES;
        // The memory of another machine cannot be watched.
        if let Some(free) = memory.filter(is_short).filter(|_| self.nodes.is_some()) {
            let sentence =
                format!("the memory of this machine is all but full: {} are free", megabytes(free));
            return Some(
                Error::could_not_verify(sentence)
                    .hint("end other programs, or drill with less data (--scale)"),
            );
        }
        self.nodes.iter().chain([&self.repositories]).find_map(|place| {
            let free = disk(place).filter(is_short)?;
            let sentence =
                format!("the disk of {} is all but full: {} are free", place.display(), megabytes(free));
            Some(Error::could_not_verify(sentence).hint("free some disk, or drill with less data (--scale)"))
        })
    }
}

pub(crate) fn megabytes(bytes: u64) -> String {
    const MB: u64 = 1_000_000;
    match bytes / MB {
        many if many >= 10_000 => format!("{} GB", many / 1_000),
        few => format!("{few} MB"),
    }
}

/// The memory that processes of this machine can use without swapping, in bytes: the kernel's available memory,
/// limited by the control group.
pub(super) fn free_memory() -> Option<u64> {
    let read = |path: &str| fs::read_to_string(path).ok();
    let of_machine = read("/proc/meminfo").and_then(|text| available(&text));
    let number = |path: &str| read(path)?.trim().parse::<u64>().ok();
    let of_group = number("/sys/fs/cgroup/memory.max")
        .map(|limit| limit.saturating_sub(number("/sys/fs/cgroup/memory.current").unwrap_or(0)));
    of_machine.into_iter().chain(of_group).min()
}

fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here() -> Room {
        let temp = std::env::temp_dir();
        Room { nodes: Some(temp.clone()), repositories: temp, memory_bytes: Some(1_000_000_000) }
    }

    #[test]
    fn what_one_disk_holds_is_added_up() {
        let free = free_bytes(&std::env::temp_dir()).unwrap();
        let half = free / 2 + (1 << 30);
        let need = Need { node_bytes: half, repository_bytes: 0, memory_bytes: 0 };
        here().check(need).unwrap();
        let error = here().check(Need { repository_bytes: half, ..need }).unwrap_err();
        assert_eq!(error.kind(), comeback_error::ErrorKind::Usage);
        assert!(error.message().starts_with("the servers and backups need about "), "{error}");
        assert!(error.message().ends_with(" are free"), "{error}");
    }

    #[test]
    fn what_is_all_but_full_ends_a_drill() {
        let (enough, short) = (Some(LEAST_FREE_BYTES), Some(LEAST_FREE_BYTES - 1));
        let told =
            |room: &Room, memory, disk| room.full(memory, |_| disk).map(|error| error.message().to_owned());
        assert_eq!(told(&here(), enough, enough), None);
        assert_eq!(told(&here(), None, None), None);
        let memory = "the memory of this machine is all but full: 33 MB are free";
        assert_eq!(told(&here(), short, enough).unwrap(), memory);
        let disk = format!("the disk of {} is all but full: 33 MB are free", std::env::temp_dir().display());
        assert_eq!(told(&here(), enough, short).unwrap(), disk);
        assert_eq!(told(&Room { nodes: None, ..here() }, short, enough), None);
    }

    #[test]
    fn memory_counts_where_it_is_known() {
        let need = Need { memory_bytes: 2_000_000_000, ..Need::default() };
        let error = here().check(need).unwrap_err();
        assert_eq!(error.message(), "the servers need about 2000 MB of memory, and 1000 MB are free");
        Room { memory_bytes: None, ..here() }.check(need).unwrap();
        assert_eq!(available("MemTotal: 9 kB\nMemAvailable:   2000 kB\n"), Some(2_048_000));
        assert!(free_memory().is_some_and(|bytes| bytes > 0));
    }
}
