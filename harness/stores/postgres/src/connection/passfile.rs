//! The password for a server of the user's, found where `psql` finds it. Source: "The Password File" in PostgreSQL's
//! documentation, and `passwordFromFile` in fe-connect.c.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use comeback_engine::secret::Secret;

use super::address::{Place, PostgresAddress};
use crate::error::{Error, Result};

/// The folders of sockets that a line for `localhost` means: PostgreSQL's own, and Debian's.
const USUAL_SOCKETS: [&str; 2] = ["/tmp", "/var/run/postgresql"];

impl PostgresAddress {
    /// The same server, with the password of `PGPASSWORD`, or else of the file that `PGPASSFILE` names, or of
    /// `~/.pgpass`. Without one the server may let the role in all the same.
    pub fn with_password_as_psql(self) -> Result<Self> {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        if let Some(password) = set("PGPASSWORD") {
            return Ok(self.with_password(Some(Secret::given(password.to_string_lossy()))));
        }
        let file = set("PGPASSFILE").map(PathBuf::from);
        let file = file.or_else(|| Some(PathBuf::from(set("HOME")?).join(".pgpass")));
        let password = match file {
            Some(file) => self.password_in(&file)?,
            None => None,
        };
        Ok(self.with_password(password))
    }

    /// The password in a file; `None` if no line is for this address.
    fn password_in(&self, file: &Path) -> Result<Option<Secret>> {
        let Ok(text) = std::fs::read_to_string(file) else { return Ok(None) };
        let Some(password) = text.lines().find_map(|line| self.password_of(line)) else { return Ok(None) };
        let others = std::fs::metadata(file).is_ok_and(|found| found.permissions().mode() & 0o077 != 0);
        if others {
            let name = file.display();
            return Err(Error::usage(format!("others may read the password file {name}"))
                .hint(format!("chmod 600 {name}: psql ignores it as well")));
        }
        Ok(Some(Secret::given(password)))
    }

    /// The password in a line `host:port:database:user:password` that is for this address.
    fn password_of(&self, line: &str) -> Option<String> {
        let line = line.trim_end_matches('\r');
        if line.starts_with('#') {
            return None;
        }
        let (host, port) = match self.place() {
            Place::Tcp { host, port } => (host.as_str(), port),
            Place::Unix { dir, port } if USUAL_SOCKETS.contains(&dir.as_str()) => ("localhost", port),
            Place::Unix { dir, port } => (dir.as_str(), port),
        };
        let mut rest = line;
        for wanted in [host, &port.to_string(), self.database(), self.user()] {
            let (field, after) = field(rest);
            if field != wanted && rest.split(':').next() != Some("*") {
                return None;
            }
            rest = after?;
        }
        Some(field(rest).0)
    }
}

/// The first field of a line, without its backslashes, and what follows its colon.
fn field(line: &str) -> (String, Option<&str>) {
    let (mut text, mut chars) = (String::new(), line.char_indices());
    while let Some((at, char)) = chars.next() {
        match char {
            ':' => return (text, line.get(at + 1..)),
            '\\' => text.extend(chars.next().map(|(_, char)| char)),
            _ => text.push(char),
        }
    }
    (text, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_for_an_address_gives_its_password() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pgpass");
        let text = "# db:5432:*:*:no\nother:*:*:*:no\ndb:5432:app:reader:a\\:b\\\\c\ndb:*:*:*:second\n\
            localhost:5432:*:*:socket\n/srv/run:*:*:*:folder\n[::1]:1:x:y\n";
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let password = |url: &str| {
            let address = PostgresAddress::parse(url).unwrap();
            address.password_in(&file).unwrap().map(|found| found.expose().to_owned())
        };
        assert_eq!(password("postgres://reader@db/app").as_deref(), Some("a:b\\c"));
        assert_eq!(password("postgres://writer@db:6432/app").as_deref(), Some("second"));
        assert_eq!(password("postgres://reader@/app?host=/var/run/postgresql").as_deref(), Some("socket"));
        assert_eq!(password("postgres://reader@/app?host=/srv/run").as_deref(), Some("folder"));
        assert_eq!(password("postgres://reader@elsewhere/app"), None);

        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        let address = PostgresAddress::parse("postgres://reader@db/app").unwrap();
        let refused = address.password_in(&file).unwrap_err();
        assert!(refused.hints()[0].starts_with("chmod 600"), "{refused}");
        assert!(address.password_in(&folder.path().join("none")).unwrap().is_none());
    }
}
