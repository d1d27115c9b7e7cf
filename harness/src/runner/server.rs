//! A server of a drill, whichever it is: what the end of a drill needs of it.

use std::path::Path;

use crate::error::Result;
use crate::stores::postgres::PostgresServer;
use crate::stores::redis::RedisServer;
use crate::substrate::Node;

/// A server of a drill.
#[derive(Clone)]
pub(super) enum DrillServer {
    Postgres(PostgresServer),
    Redis(RedisServer),
}

impl DrillServer {
    /// The node that it runs in.
    pub(super) fn node(&self) -> &dyn Node {
        match self {
            Self::Postgres(server) => server.node(),
            Self::Redis(server) => server.node(),
        }
    }

    /// Its log; an error if it never started.
    pub(super) async fn read_log(&self) -> Result<String> {
        match self {
            Self::Postgres(server) => Ok(server.read_log().await?.text),
            Self::Redis(server) => server.read_log().await,
        }
    }

    /// What it said when it died by itself; nothing if it did not.
    pub(super) async fn last_words(&self) -> Result<Option<String>> {
        match self {
            Self::Postgres(server) => server.last_words().await,
            Self::Redis(server) => server.last_words().await,
        }
    }

    /// Puts its password into a file below a folder, and gives the command that connects a person with it.
    pub(super) async fn tell_how_to_connect(&self, folder: &Path, name: &str) -> Result<String> {
        match self {
            Self::Postgres(server) => {
                let passfile = folder.join(format!("{name}.pgpass"));
                server.write_passfile_here(&passfile).await?;
                Ok(server.connect_hint(&passfile))
            }
            Self::Redis(server) => {
                let passfile = folder.join(format!("{name}.password"));
                server.write_passfile_here(&passfile).await?;
                Ok(server.connect_hint(&passfile))
            }
        }
    }
}
