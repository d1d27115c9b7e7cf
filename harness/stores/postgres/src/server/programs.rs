//! Client programs of PostgreSQL: where they run, and the server to which they connect.

use std::sync::Arc;

use comeback_engine::substrate::{Command, Node, write_private};

use super::files::remove_path;
use crate::connection::address::PostgresAddress;
use crate::connection::session::client_options;
use crate::error::{Context as _, Error, Result};

/// Client programs in a node, and the server to which they connect, which may run anywhere.
#[derive(Clone)]
pub struct ClientPrograms {
    node: Arc<dyn Node>,
    folder: String,
    /// The address as seen from inside the node.
    server: PostgresAddress,
}

impl ClientPrograms {
    /// The programs in a folder of a node, and the server's address as seen from there.
    pub(crate) fn new(node: Arc<dyn Node>, folder: String, server: PostgresAddress) -> Self {
        Self { node, folder, server }
    }

    /// The same programs for another server, whose address is as seen from inside the node.
    #[must_use]
    pub fn talking_to(self, server: PostgresAddress) -> Self {
        Self { server, ..self }
    }

    /// The node in which they run.
    pub(crate) fn node(&self) -> &dyn Node {
        &*self.node
    }

    /// A program that connects to the server, whose major version is given. Settings of its role that could
    /// interfere are overridden. Run it inside [`with_login`](Self::with_login).
    pub(crate) fn client(&self, program: &str, major: u32) -> Command {
        self.command(program)
            .env("PGOPTIONS", client_options(major, self.server.is_ours()))
            .args(self.server.client_args())
    }

    fn command(&self, program: &str) -> Command {
        let tls = self.server.tls();
        let command = Command::new(format!("{}/{program}", self.folder))
            .arg("--no-password")
            .env("PGPASSFILE", self.passfile())
            .env("PGSSLMODE", tls.mode.as_str());
        if tls.root.is_some() { command.env("PGSSLROOTCERT", self.root_file()) } else { command }
    }

    /// Runs work that needs the password of the address. The password is in a file during the work, because everybody
    /// could read an argument.
    pub(crate) async fn with_login<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.write_login(self.server.password().map(|password| password.expose().as_bytes())).await?;
        let done = work.await;
        let removed = self.remove_login().await;
        done.and_then(|done| removed.map(|()| done))
    }

    async fn write_login(&self, password: Option<&[u8]>) -> Result<()> {
        if let Some(path) = &self.server.tls().root {
            let root = tokio::fs::read(path).await.context(format_args!("reading {path}"))?;
            write_private(&*self.node, &self.root_file(), &root).await?;
        }
        let line = match password {
            None => Vec::new(),
            Some(password) => passfile_line(password).ok_or_else(|| {
                Error::usage("the password has a line end in it, which client programs cannot be given")
            })?,
        };
        write_private(&*self.node, &self.passfile(), &line).await
    }

    async fn remove_login(&self) -> Result<()> {
        if self.server.tls().root.is_some() {
            remove_path(&*self.node, &self.root_file()).await?;
        }
        remove_path(&*self.node, &self.passfile()).await
    }

    fn passfile(&self) -> String {
        format!("{}/pgpass", self.node.dir())
    }

    fn root_file(&self) -> String {
        format!("{}/root.crt", self.node.dir())
    }
}

/// A line of a password file, for every server; `None` if the password contains a line end. Source: "The
/// Password File" of libpq.
fn passfile_line(password: &[u8]) -> Option<Vec<u8>> {
    let mut line = b"*:*:*:*:".to_vec();
    for byte in password {
        match byte {
            b'\n' | b'\r' | 0 => return None,
            b':' | b'\\' => line.extend([b'\\', *byte]),
            other => line.push(*other),
        }
    }
    line.push(b'\n');
    Some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_quoted_in_a_passfile() {
        assert_eq!(passfile_line(b"a:b\\c").unwrap(), b"*:*:*:*:a\\:b\\\\c\n");
        assert!(passfile_line(b"abc\n").is_none());
    }
}
