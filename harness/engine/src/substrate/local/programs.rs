//! Finds the programs of the servers on this machine.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use comeback_error::{Error, Result};

use super::Account;
use crate::substrate::{REDIS_PROGRAMS, RedisProgram};

/// The folder in which Debian and Ubuntu install the programs of each PostgreSQL major version.
const POSTGRES_HOME: &str = "/usr/lib/postgresql";
/// The folders of the other programs, independent of the caller's search path.
const SYSTEM_DIRS: [&str; 6] =
    ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// The folders that are searched for programs, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::substrate) struct SearchPath {
    dirs: Vec<PathBuf>,
    /// The folder that the user chose; it is also the first of `dirs`.
    chosen: Option<PathBuf>,
}

impl SearchPath {
    /// PostgreSQL's own folders, the highest major version first; then the folder that `pg_config` names; then the
    /// part of the caller's search path that the account can reach; then the system's folders.
    pub(in crate::substrate) fn of_this_machine(account: &Account) -> Self {
        let inherited = env::var_os("PATH").unwrap_or_default();
        let wanted = postgres_dirs(Path::new(POSTGRES_HOME))
            .into_iter()
            .chain(pg_config_dir())
            .chain(env::split_paths(&inherited))
            .chain(SYSTEM_DIRS.map(PathBuf::from));
        let mut dirs = Vec::new();
        for dir in wanted {
            if dir.is_absolute() && !dirs.contains(&dir) && account.can_reach(&dir) {
                dirs.push(dir);
            }
        }
        Self { dirs, chosen: None }
    }

    /// The same, with a folder that the user chose in front.
    pub(super) fn preferring(&self, folder: Option<&Path>, account: &Account) -> Result<Self> {
        let Some(folder) = folder else { return Ok(self.clone()) };
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        let name = folder.display();
        if !["postgres", "redis-server", "valkey-server"]
            .iter()
            .any(|server| is_program(&folder.join(server)))
        {
            return Err(Error::usage(format!("there is no server among the programs in {name}")).hint(
                "name the folder that has `postgres` or `redis-server`, such as /opt/postgresql-15/bin",
            ));
        }
        if !account.can_reach(&folder) {
            return Err(Error::usage(format!(
                "the user {} cannot reach the programs in {name}",
                account.name
            ))
            .hint("give others the right to search that folder and those above it: chmod o+x"));
        }
        let dirs = [folder.clone()].into_iter().chain(self.dirs.iter().cloned()).collect();
        Ok(Self { dirs, chosen: Some(folder) })
    }

    /// The folder that the user chose.
    pub(super) fn chosen(&self) -> Option<&Path> {
        self.chosen.as_deref()
    }

    /// The value of `PATH` for the programs of a node.
    pub(super) fn joined(&self) -> String {
        let dirs: Vec<_> = self.dirs.iter().map(|dir| dir.to_string_lossy()).collect();
        dirs.join(":")
    }

    /// The server of Redis or Valkey, under any of its names.
    pub(in crate::substrate) fn find_redis(&self) -> Result<(RedisProgram, PathBuf)> {
        let mut found = REDIS_PROGRAMS.iter().map(|program| Ok((*program, self.find(program.name)?)));
        // If there is none, the error is about the first name.
        let first = found.next().unwrap_or_else(|| Err(Error::could_not_verify("no name is known")));
        first.or_else(|missing| found.find_map(Result::ok).ok_or(missing))
    }

    /// The first program with this name.
    pub(in crate::substrate) fn find(&self, name: &str) -> Result<PathBuf> {
        self.dirs.iter().map(|dir| dir.join(name)).find(|path| is_program(path)).ok_or_else(|| {
            Error::could_not_verify(format!("there is no program `{name}` in {}", self.joined()))
                .hint(advice(name))
        })
    }
}

/// Whether a file exists and is executable.
pub(super) fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// How to install a missing program.
fn advice(name: &str) -> String {
    let package = match name {
        "setpriv" | "setsid" | "ipcrm" => "util-linux",
        "named" => "bind9",
        _ if name.starts_with("redis") => "redis-tools",
        "psql" | "initdb" | "postgres" | "createdb" | "dropdb" | "vacuumdb" => "postgresql",
        _ if name.starts_with("pg_") || name.starts_with("pgbench") => "postgresql",
        _ => return format!("install the package that has `{name}`, or put its folder into PATH"),
    };
    format!("install it: apt-get install {package}")
}

fn postgres_dirs(home: &Path) -> Vec<PathBuf> {
    let mut majors: Vec<(u32, PathBuf)> = fs::read_dir(home)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, bin)| bin.is_dir())
        .collect();
    majors.sort_by(|one, other| other.cmp(one));
    majors.into_iter().map(|(_, bin)| bin).collect()
}

fn pg_config_dir() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    let dir = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    (output.status.success() && dir.is_dir()).then_some(dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_major_version_comes_first() {
        let home = tempfile::tempdir().unwrap();
        for major in ["9", "15", "17", "not-a-version"] {
            fs::create_dir_all(home.path().join(major).join("bin")).unwrap();
        }
        fs::create_dir_all(home.path().join("18")).unwrap();
        let found = postgres_dirs(home.path());
        let wanted: Vec<_> =
            ["17", "15", "9"].iter().map(|major| home.path().join(major).join("bin")).collect();
        assert_eq!(found, wanted);
    }

    #[test]
    fn a_missing_program_is_named_with_the_package_that_has_it() {
        let search = SearchPath { dirs: vec![PathBuf::from("/nowhere")], chosen: None };
        let error = search.find("redis-server").unwrap_err();
        assert_eq!(error.message(), "there is no program `redis-server` in /nowhere");
        assert_eq!(error.hints(), ["install it: apt-get install redis-tools"]);
    }

    #[test]
    fn a_chosen_folder_comes_first_and_must_have_a_server() {
        use std::os::unix::fs::OpenOptionsExt as _;
        let account = Account::choose().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let search = SearchPath { dirs: vec![PathBuf::from("/usr/bin")], chosen: None };
        let empty = search.preferring(Some(folder.path()), &account).unwrap_err();
        assert!(empty.message().starts_with("there is no server among"), "{empty}");
        let bin = folder.path().join("bin");
        fs::create_dir(&bin).unwrap();
        let program = bin.join("postgres");
        fs::File::options().create_new(true).write(true).mode(0o755).open(&program).unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        if account.is_other {
            let hidden = search.preferring(Some(&bin), &account).unwrap_err();
            assert!(hidden.message().contains("cannot reach"), "{hidden}");
        }
        for dir in [folder.path(), &bin] {
            fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let chosen = search.preferring(Some(&bin), &account).unwrap();
        assert_eq!((chosen.find("postgres").unwrap(), chosen.chosen()), (program, Some(&*bin)));
    }

    #[test]
    fn the_checker_of_files_is_the_server_too() {
        use std::os::unix::fs::OpenOptionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let search = SearchPath { dirs: vec![folder.path().to_owned()], chosen: None };
        assert!(search.find_redis().unwrap_err().message().contains("`redis-server`"));
        for name in ["redis-check-rdb", "redis-server"] {
            fs::File::options()
                .create_new(true)
                .write(true)
                .mode(0o755)
                .open(folder.path().join(name))
                .unwrap();
            assert_eq!(search.find_redis().unwrap().0.name, name);
        }
    }
}
