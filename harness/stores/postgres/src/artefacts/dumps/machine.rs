//! What the place where the dump will be restored has to offer.

use std::collections::BTreeSet;

use comeback_engine::runner::Course;
use comeback_engine::substrate::{Command, Io};

use crate::PostgresServer;
use crate::artefacts::locales;
use crate::error::{Context as _, Result};

/// What a new server will have.
pub(super) struct Machine {
    /// The major version of PostgreSQL.
    pub(super) major: u32,
    /// The extensions that can be created; `None` if that could not be found out.
    pub(super) extensions: Option<BTreeSet<String>>,
    /// The locales of the operating system; `None` if that could not be found out.
    pub(super) locales: Option<BTreeSet<String>>,
    /// The free room for the server's files, in bytes.
    pub(super) free_bytes: Option<u64>,
}

/// Prints the names of the control files of extensions. `initdb` knows their folder.
const EXTENSIONS: &str = "share=$(\"$0\" --show --pgdata \"$1\" 2>&1 | sed -n 's/^share_path=//p') && \
    test -d \"$share/extension\" && ls -1 \"$share/extension\"";

impl Machine {
    /// Looks at a node of the kind that the restore will get. It is removed again; no server is started.
    pub(super) async fn look(course: &Course, major: Option<u32>) -> Result<Self> {
        let name = course.node_name("probe");
        let server =
            PostgresServer::create_preferring(course.substrate()?, &name, course.password(), major).await?;
        let looked = Self::look_at(&server).await;
        server.node().remove().await?;
        looked
    }

    async fn look_at(server: &PostgresServer) -> Result<Self> {
        let initdb = server.command("initdb").program;
        let ask = async |script: &str, args: &[&str]| {
            let command = Command::new("sh").args(["-c", script]).args(args.iter().copied());
            let output = server.node().exec(&command, Io::default()).await.context("looking at the node")?;
            Ok::<_, crate::error::Error>((output.code == 0).then(|| output.text()))
        };
        let extensions = ask(EXTENSIONS, &[&initdb, &server.data_dir()]).await?;
        let free = ask("df -Pk \"$0\" | tail -n 1", &[server.node().dir()]).await?;
        Ok(Self {
            major: server.major(),
            extensions: extensions.map(|text| {
                text.lines().filter_map(|name| Some(name.strip_suffix(".control")?.to_owned())).collect()
            }),
            locales: locales::installed(server).await?,
            free_bytes: free.as_deref().and_then(free_bytes),
        })
    }
}

/// The fourth column of `df -P -k`, in bytes. Source: POSIX, `df`.
fn free_bytes(line: &str) -> Option<u64> {
    line.split_whitespace().nth(3)?.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_the_machine_are_read() {
        assert_eq!(free_bytes("/dev/sda1 100 40 60 40% /"), Some(60 * 1024));
    }
}
