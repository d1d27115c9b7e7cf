//! Creates a node with the programs of PostgreSQL, of the major version that a backup needs.

use std::sync::Arc;

use comeback_engine::secret::Secret;
use comeback_engine::substrate::{Command, Endpoint, Io, NodeSpec, Reach, Software, Substrate};
use comeback_model::{Content, Manifest};

use super::node::PostgresServer;
use super::version::parse_major;
use crate::connection::address::{PORT, PostgresAddress};
use crate::error::{Error, Result};

impl PostgresServer {
    /// Creates a node with the programs of PostgreSQL. It contains no cluster yet.
    pub async fn create(substrate: &dyn Substrate, name: &str, password: &Secret) -> Result<Self> {
        Self::create_preferring(substrate, name, password, None).await
    }

    /// Creates a node for the restore of a backup, with the backup's major version if available. A base
    /// backup needs exactly that version; a dump accepts a newer one.
    pub async fn create_for(
        substrate: &dyn Substrate,
        name: &str,
        password: &Secret,
        manifest: &Manifest,
    ) -> Result<Self> {
        let (major, takes_newer) = match &manifest.content {
            Content::PostgresBaseBackup { position, .. } => (position.major, false),
            Content::PostgresDump { export, .. } => (export.major, true),
            Content::PostgresTable { export, .. } => (export.major, true),
            Content::RedisSnapshot { .. } | Content::ObjectInventory { .. } | Content::Secrets { .. } => {
                return Err(Error::usage(format!("backup {} is none of PostgreSQL", manifest.id)));
            }
        };
        let server = Self::create_preferring(substrate, name, password, Some(major)).await?;
        server.ensure_major(major, takes_newer, &format!("backup {}", manifest.id)).await
    }

    /// Creates a node with this major version or, as dumps accept it, a newer one. `what` needs it, in errors.
    pub async fn create_of_major(
        substrate: &dyn Substrate,
        name: &str,
        password: &Secret,
        major: Option<u32>,
        what: &str,
    ) -> Result<Self> {
        let server = Self::create_preferring(substrate, name, password, major).await?;
        match major {
            Some(major) => server.ensure_major(major, true, what).await,
            None => Ok(server),
        }
    }

    /// Removes the node and fails if it has another major version than `what` needs.
    async fn ensure_major(self, major: u32, takes_newer: bool, what: &str) -> Result<Self> {
        if self.major == major || (takes_newer && self.major > major) {
            return Ok(self);
        }
        self.node.remove().await?;
        let (found, name) = (self.major, self.node.name());
        Err(Error::could_not_verify(format!(
            "{what} needs PostgreSQL {major}, and {found} is what the node `{name}` got"
        ))
        .hint(format!(
            "local: apt-get install postgresql-{major}; docker: pull or build an image of {major}"
        )))
    }

    /// Creates a node, with this major version if there is a choice.
    pub(crate) async fn create_preferring(
        substrate: &dyn Substrate,
        name: &str,
        password: &Secret,
        major: Option<u32>,
    ) -> Result<Self> {
        let spec = NodeSpec {
            name: name.to_owned(),
            software: Software::Postgres,
            major,
            port: PORT,
            reach: Reach::Endpoint,
        };
        let node = substrate.create(&spec).await?;
        // Debian installs several versions side by side; elsewhere the search path has one.
        let preferred = match major.filter(|_| !node.has_chosen_programs()) {
            Some(major) => node.find_program(&format!("/usr/lib/postgresql/{major}/bin/initdb")).await.ok(),
            None => None,
        };
        let initdb = match preferred {
            Some(initdb) => initdb,
            None => node.find_program("initdb").await?,
        };
        let programs = initdb.strip_suffix("/initdb").unwrap_or("/usr/bin").to_owned();
        let output =
            node.exec(&Command::new(format!("{programs}/postgres")).arg("--version"), Io::default()).await?;
        let version = output.success("asking postgres for its version")?.text().trim().to_owned();
        let major = parse_major(&version)?;
        let address = match node.endpoint() {
            Endpoint::Unix { dir } => PostgresAddress::unix(dir, PORT, password),
            Endpoint::Tcp { host, port } => PostgresAddress::tcp(host, port, password),
        };
        let (address, password) = (address.of_major(major), password.clone());
        let root = node.dir().to_owned();
        Ok(Self { node, root, programs, major, password, address, is_foreign: Arc::default() })
    }
}
