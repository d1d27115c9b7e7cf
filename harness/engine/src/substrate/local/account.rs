//! The unprivileged user that programs run as.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use comeback_error::{Context, Error, Result};

/// The users to run programs as, in order of preference. PostgreSQL refuses to run as root, and requires an entry
/// for its user in the password file.
const SERVICE_USERS: [&str; 3] = ["postgres", "redis", "nobody"];

/// The user that owns the nodes' folders and runs their programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::substrate) struct Account {
    /// Its number.
    pub(in crate::substrate) uid: u32,
    /// Its group.
    pub(in crate::substrate) gid: u32,
    /// Its name, if it has one.
    pub(in crate::substrate) name: String,
    /// Whether it differs from the user of this process.
    pub(super) is_other: bool,
}

impl Account {
    /// The current user; for root, the first service user that exists.
    pub(in crate::substrate) fn choose() -> Result<Self> {
        let current = Self::current()?;
        if current.uid == 0 {
            let passwd = fs::read_to_string("/etc/passwd").context("read /etc/passwd")?;
            return service_user(&passwd).ok_or_else(|| {
                Error::could_not_verify(
                    "running as root, and none of the users postgres, redis, nobody exists",
                )
                .hint("PostgreSQL refuses to run as root: run as an ordinary user")
                .hint("or install the servers, which brings their users: apt-get install postgresql")
            });
        }
        Ok(current)
    }

    /// The current user, also root.
    pub(in crate::substrate) fn current() -> Result<Self> {
        let uid = rustix::process::geteuid().as_raw();
        let gid = rustix::process::getegid().as_raw();
        let passwd = fs::read_to_string("/etc/passwd").context("read /etc/passwd")?;
        let name = entries(&passwd).find(|entry| entry.1 == uid).map(|entry| entry.0.to_owned());
        Ok(Self { uid, gid, name: name.unwrap_or_else(|| uid.to_string()), is_other: false })
    }

    /// Whether this user can search a folder and all its parents.
    pub(super) fn can_reach(&self, dir: &Path) -> bool {
        dir.ancestors().filter(|one| !one.as_os_str().is_empty()).all(|one| self.can_search(one))
    }

    fn can_search(&self, dir: &Path) -> bool {
        let Ok(meta) = fs::metadata(dir) else { return false };
        let bit = match (meta.uid() == self.uid, meta.gid() == self.gid) {
            (true, _) => 0o100,
            (false, true) => 0o010,
            (false, false) => 0o001,
        };
        meta.mode() & bit != 0
    }
}

fn service_user(passwd: &str) -> Option<Account> {
    SERVICE_USERS.iter().find_map(|wanted| {
        let (name, uid, gid) = entries(passwd).find(|entry| entry.0 == *wanted)?;
        Some(Account { uid, gid, name: name.to_owned(), is_other: true })
    })
}

fn entries(passwd: &str) -> impl Iterator<Item = (&str, u32, u32)> {
    passwd.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        Some((name, fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_own_user_is_preferred() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65533::/:/bin/false\n";
        let nobody = service_user(passwd).unwrap();
        assert_eq!((nobody.name.as_str(), nobody.uid, nobody.gid), ("nobody", 65534, 65533));
        let passwd = format!("{passwd}postgres:x:101:104:PostgreSQL,,,:/var/lib/postgresql:/bin/bash\n");
        assert_eq!(service_user(&passwd).unwrap().name, "postgres");
        assert_eq!(service_user("root:x:0:0::/:/bin/sh\n"), None);
    }
}
