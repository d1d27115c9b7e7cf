//! The servers of a drill: how they are made, where, under which name, and how they go.

use std::sync::Arc;

use super::Drill;
use super::server::DrillServer;
use crate::error::{Error, ErrorKind, Result};
use crate::model::Manifest;
use crate::stores::died;
use crate::stores::postgres::PostgresServer;
use crate::wait;

/// The death of a server in front of what came of it. Where its machine is to blame, nothing else is.
fn explain(error: &Error, death: &Error) -> Error {
    let kind = if death.kind() == ErrorKind::Failed { error.kind() } else { death.kind() };
    let message = format!("{}; what came of it: {}", death.message(), error.message());
    let hints = death.hints().iter().chain(error.hints());
    hints.fold(Error::could_not_verify(message).into_kind(kind), |told, hint| told.hint(hint.as_str()))
}

impl Drill {
    /// From here on new nodes are made in another region, cut off from those of the one before where the
    /// substrate has networks.
    pub fn enter_region(&mut self, region: &str) -> Result<()> {
        let region = format!("d{}-{region}", self.index);
        self.substrate = Arc::clone(&self.substrate).in_region(&region)?;
        Ok(())
    }

    /// A new node for a PostgreSQL server; it is removed with the drill.
    pub async fn postgres_node(&mut self, name: &str) -> Result<PostgresServer> {
        let node_name = format!("d{}-{name}", self.index);
        let server = PostgresServer::create(&*self.substrate, &node_name, &self.password).await?;
        self.servers.push((name.to_owned(), DrillServer::Postgres(server.clone())));
        Ok(server)
    }

    /// The same for the restore of a backup: of the major version that it needs.
    pub async fn postgres_node_for(&mut self, name: &str, manifest: &Manifest) -> Result<PostgresServer> {
        let node_name = format!("d{}-{name}", self.index);
        let server =
            PostgresServer::create_for(&*self.substrate, &node_name, &self.password, manifest).await?;
        self.servers.push((name.to_owned(), DrillServer::Postgres(server.clone())));
        Ok(server)
    }

    /// Gives a server the name of the one that it stands in for. That one keeps its node, as evidence, and is
    /// called damaged from now on.
    pub fn take_over(&mut self, name: &str, successor: &PostgresServer) {
        for (own, server) in &mut self.servers {
            if own == name {
                *own = format!("{name}-damaged");
            } else if server.node().name() == successor.node().name() {
                name.clone_into(own);
            }
        }
        self.note(format!("{} is {name} now", successor.node().name()));
    }

    /// An error, behind what a server said when it died: that explains the error, and a connection that broke off
    /// does not.
    pub(super) async fn with_last_words(&self, error: Error) -> Error {
        for (_, server) in &self.servers {
            // A server that cannot even be asked is no better explanation.
            let words = wait::at_most("its last words", wait::limits().connect, server.last_words()).await;
            let Ok(Ok(Some(words))) = words else { continue };
            if error.message().contains(&words) {
                return error;
            }
            return explain(&error, &died(server.node().name(), &words));
        }
        error
    }

    /// Removes every node of the drill; gives the first failure after having tried all.
    pub(super) async fn remove_nodes(&self) -> Result<()> {
        let mut outcome = Ok(());
        for (_, server) in &self.servers {
            outcome = outcome.and(server.node().remove().await);
        }
        outcome
    }
}
