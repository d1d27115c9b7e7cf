//! The files with which a server starts on a cluster of somebody else, in place of the cluster's own.

use std::sync::atomic::Ordering;

use comeback_engine::secret::Secret;
use comeback_engine::substrate::Substrate;

use crate::error::Result;
use crate::server::node::PostgresServer;

impl PostgresServer {
    /// Creates a node for a cluster of the user's, with this major version if available; the caller must check it.
    /// `role` is the superuser of ours in that cluster, once it is there.
    pub async fn create_for_cluster(
        substrate: &dyn Substrate,
        name: &str,
        password: &Secret,
        major: u32,
        role: &str,
    ) -> Result<Self> {
        let server = Self::create_preferring(substrate, name, password, Some(major)).await?;
        let address = server.address.clone().of_user(role);
        Ok(Self { address, ..server })
    }

    /// The configuration file for a cluster of somebody else.
    pub(super) fn config_path(&self) -> String {
        format!("{}/postgresql.conf", self.node.dir())
    }

    /// The map of user names for a cluster of somebody else.
    pub(super) fn ident_path(&self) -> String {
        format!("{}/pg_ident.conf", self.node.dir())
    }

    /// From now on the server reads our configuration file in place of the cluster's.
    pub(super) fn use_own_configuration(&self) {
        self.is_foreign.store(true, Ordering::Release);
    }

    /// The arguments that name the files of ours; none for a cluster that keeps its own.
    pub(crate) fn configuration(&self) -> Vec<String> {
        if !self.is_foreign.load(Ordering::Acquire) {
            return Vec::new();
        }
        let files = [("config_file", self.config_path()), ("ident_file", self.ident_path())];
        files.map(|(name, path)| format!("-c{name}={path}")).to_vec()
    }
}
