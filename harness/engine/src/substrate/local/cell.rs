//! The cell of a local node: namespaces of its own, in which programs see no network and no file to write but those
//! of the node.
//!
//! Each program enters namespaces of its own (network, mounts, System V shared memory); the programs of a node meet in
//! its folder, at the server's socket. Requires util-linux and a kernel that allows it: root always, other users where
//! unprivileged user namespaces are on.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use comeback_error::{Context as _, Error, Result};

use super::Account;
use super::folder::write_shared;
use crate::substrate::Cell;
use crate::substrate::disk::free_bytes;

/// The range of user numbers for cells: systemd's for users that exist only while a service runs, which no
/// distribution gives to anybody else. Source: "Users, Groups, UIDs and GIDs on systemd Systems".
const USERS: std::ops::RangeInclusive<u32> = 61_184..=65_519;
/// The name of the user of a cell.
const NAME: &str = "comeback-cell";
/// Folders that every user can write to or in which other servers have their sockets.
const SHARED: [&str; 4] = ["/run", "/tmp", "/var/tmp", "/dev/shm"];
/// The free disk that one file of a cell cannot fill, in bytes.
const SPARED_BYTES: u64 = 256 << 20;

/// What every node of a cell shares.
#[derive(Debug, Clone)]
pub(super) struct LocalCell {
    limits: Cell,
    /// The user of its programs.
    pub(super) account: Account,
    /// Whether it needs a user namespace to be allowed the others.
    is_rootless: bool,
    /// Folders that are empty in the cell.
    hidden: Vec<PathBuf>,
    /// The password file in the cell, with its user; `None` if the machine's own has it.
    users: Option<PathBuf>,
}

impl LocalCell {
    /// The cell of a run, after a try whether this machine allows it. `base` is the folder of all runs, `run` that of
    /// this one.
    pub(super) fn new(limits: Cell, own: &Account, base: &Path, run: &Path) -> Result<Self> {
        let is_rootless = rustix::process::geteuid().as_raw() != 0;
        let mut hidden: Vec<PathBuf> = SHARED.iter().map(PathBuf::from).filter(|dir| dir.is_dir()).collect();
        hidden.push(base.to_owned());
        let home = std::env::var_os("HOME").map(PathBuf::from).filter(|home| is_rootless && home.is_dir());
        hidden.extend(home.filter(|home| home.as_path() != Path::new("/")));
        let hidden = topmost(&hidden);
        let mut cell = Self { limits, account: own.clone(), is_rootless, hidden, users: None };
        cell.try_out()?;
        if !is_rootless {
            let passwd = fs::read_to_string("/etc/passwd").context("read /etc/passwd")?;
            let uid = free_user(&passwd, run)?;
            cell.account = Account { uid, gid: uid, name: NAME.to_owned(), is_other: true };
            let users = run.join("passwd");
            let line = format!("{NAME}:x:{uid}:{uid}::/nonexistent:/bin/false\n");
            write_shared(&users, &format!("{}\n{line}", passwd.trim_end()))
                .context("name the user of the cell")?;
            cell.users = Some(users);
        }
        Ok(cell)
    }

    /// Fails for a folder of programs that lies where the cell shows an empty folder.
    pub(super) fn ensure_seen(&self, programs: Option<&Path>) -> Result<()> {
        let real = programs.map(|folder| fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned()));
        let over = real.as_ref().and_then(|real| self.hidden.iter().find(|hidden| real.starts_with(hidden)));
        match (real.as_ref(), over) {
            (Some(real), Some(over)) => Err(Error::usage(format!(
                "a restored server cannot see the programs in {}: its cell hides {}",
                real.display(),
                over.display()
            ))
            .hint("copy them to another place, such as /opt, or trust the backup with this machine: --uncontained")),
            _ => Ok(()),
        }
    }

    fn try_out(&self) -> Result<()> {
        let output = Command::new("unshare").args(self.namespaces()).args(["mount", "--version"]).output();
        let said = match output {
            Ok(output) if output.status.success() => return Ok(()),
            Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            Err(error) => error.to_string(),
        };
        Err(Error::could_not_verify(format!(
            "this machine allows no namespaces, which contain a restored server: {said}"
        ))
        .hint("run it with Docker (--substrate docker), or as root")
        .hint(
            "or allow them: sysctl kernel.unprivileged_userns_clone=1, and user.max_user_namespaces above 0",
        )
        .hint("or trust the backup with this machine and network: --uncontained"))
    }

    fn namespaces(&self) -> Vec<&'static str> {
        let root: &[_] = if self.is_rootless { &["--user", "--map-root-user"] } else { &[] };
        [root, &["--net", "--mount", "--ipc", "--"]].concat()
    }

    /// What the cell does, for the record.
    pub(super) fn walls(&self) -> String {
        format!(
            "the restored server runs in a cell: no network, the user {} {}, no writable folder but its own, at most {} \
             processes and {} MB of memory for each",
            self.account.uid,
            if self.is_rootless { "of this run" } else { "that owns nothing else" },
            self.limits.processes,
            self.limits.memory_bytes / 1_000_000
        )
    }

    /// What it does not do here.
    pub(super) fn gaps(&self) -> Option<String> {
        self.is_rootless.then(|| {
            "the cell's user is yours: it can read your files outside your home folder, and signal your processes".to_owned()
        })
    }

    /// The words in front of a program of a node: they enter the cell, become its user, and set the limits.
    pub(super) fn entrance(&self, root: &Path, keep: bool) -> Vec<String> {
        let mut words = vec!["unshare".to_owned()];
        words.extend(self.namespaces().into_iter().map(str::to_owned));
        words.extend(["sh".to_owned(), "-c".to_owned(), self.script(root)]);
        words.push("sh".to_owned());
        let (uid, gid) = (self.account.uid.to_string(), self.account.gid.to_string());
        if self.is_rootless {
            let (user, group) = (format!("--map-user={uid}"), format!("--map-group={gid}"));
            words.extend(["unshare", "--user", &user, &group, "--", "setpriv"].map(str::to_owned));
        } else {
            let drop = ["setpriv", "--reuid", &uid, "--regid", &gid, "--clear-groups"];
            words.extend(drop.map(str::to_owned));
            words.extend(["--bounding-set=-all", "--inh-caps=-all"].map(str::to_owned));
        }
        words.push("--no-new-privs".to_owned());
        if !keep {
            words.extend(["--pdeathsig", "KILL"].map(str::to_owned));
        }
        words.extend(["--", "prlimit", "--core=0"].map(str::to_owned));
        words.push(format!("--nproc={}", self.limits.processes));
        words.push(format!("--data={}", self.limits.memory_bytes));
        if let Ok(free) = free_bytes(root) {
            words.push(format!("--fsize={}", free.saturating_sub(SPARED_BYTES).max(1)));
        }
        words.push("--".to_owned());
        words
    }

    /// Makes every place of the machine read-only and the shared ones empty, but the node's folder.
    fn script(&self, root: &Path) -> String {
        let root = quoted(root);
        let mut lines = vec!["set -e".to_owned(), format!("cd {root}")];
        let users = self.users.as_deref().map(|users| format!("mount --bind {} /etc/passwd", quoted(users)));
        lines.extend(users);
        for dir in &self.hidden {
            let options = "size=64k,nr_inodes=64,mode=0755,nosuid,nodev,noexec";
            lines.push(format!("mount -t tmpfs -o {options} comeback {}", quoted(dir)));
        }
        lines.push(format!("mkdir -p {root}"));
        // The current folder is still the real one, below the empty one that hides it.
        lines.push(format!("mount --no-canonicalize --bind . {root}"));
        for dir in &self.hidden {
            lines.push(format!("mount -o remount,bind,ro {}", quoted(dir)));
        }
        // In a user namespace, a flag that the machine has set may not be changed; the root is another user's anyway.
        lines.push("mount -o remount,bind,ro / 2>/dev/null || :".to_owned());
        lines.push(format!("cd {root}/d"));
        lines.push("exec \"$@\"".to_owned());
        lines.join("\n")
    }
}

/// The folders that lie in no other one of them. What is hidden hides what is in it, and nothing can be mounted there.
fn topmost(folders: &[PathBuf]) -> Vec<PathBuf> {
    let real = |folder: &PathBuf| fs::canonicalize(folder).unwrap_or_else(|_| folder.clone());
    let mut all: Vec<_> = folders.iter().map(real).collect();
    all.sort();
    let mut kept: Vec<PathBuf> = Vec::new();
    for folder in all {
        // In their order, a folder comes before those in it.
        if !kept.iter().any(|outer| folder.starts_with(outer)) {
            kept.push(folder);
        }
    }
    kept
}

/// A user number of [`USERS`] that nobody has and that runs nothing, different for each run as far as possible.
fn free_user(passwd: &str, run: &Path) -> Result<u32> {
    let taken: Vec<u32> = passwd
        .lines()
        .filter_map(|line| line.split(':').nth(2)?.parse().ok())
        .chain(running_users())
        .collect();
    let (first, count) = (*USERS.start(), USERS.end() - USERS.start() + 1);
    let name = run.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let start = u32::from_str_radix(&name, 16).unwrap_or_default();
    (0..count)
        .map(|step| first + (start % count + step) % count)
        .find(|uid| !taken.contains(uid))
        .ok_or_else(|| Error::could_not_verify(format!("every user of {USERS:?} runs something")))
}

fn running_users() -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit()))
        .filter_map(|entry| entry.metadata().map(|meta| meta.uid()).ok())
        .collect()
}

/// A path as a word of the shell.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.to_string_lossy().replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_of_a_cell_is_nobody_elses() {
        let run = Path::new("/tmp/comeback-0/00000001");
        assert_eq!(free_user("", run).unwrap(), 61_185);
        assert_eq!(free_user("a:x:61185:1::/:/bin/sh\n", run).unwrap(), 61_186);
        assert_eq!(free_user("", Path::new("/x/000010ef")).unwrap(), 65_519);
    }

    #[test]
    fn a_folder_in_a_hidden_one_is_not_hidden_again() {
        let paths = |all: &[&str]| all.iter().map(PathBuf::from).collect::<Vec<_>>();
        let hidden = paths(&["/x-a", "/x-a/home", "/x-b/t/runs", "/x-b", "/x-a", "/x-ab"]);
        assert_eq!(topmost(&hidden), paths(&["/x-a", "/x-ab", "/x-b"]));
    }

    #[test]
    fn a_path_stays_one_word() {
        assert_eq!(quoted(Path::new("/a b/c'd")), r"'/a b/c'\''d'");
    }
}
