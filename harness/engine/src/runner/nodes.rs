//! The servers of a course: how they are made, where, under which name, and how they go.

use std::sync::Arc;

use comeback_error::{Error, ErrorKind, Result};

use super::{Course, Server};
use crate::{died, wait};

/// The death of a server in front of what came of it. Where its machine is to blame, nothing else is.
fn explain(error: &Error, death: &Error) -> Error {
    let kind = if death.kind() == ErrorKind::Failed { error.kind() } else { death.kind() };
    let message = format!("{}; what came of it: {}", death.message(), error.message());
    let hints = death.hints().iter().chain(error.hints());
    hints.fold(Error::could_not_verify(message).into_kind(kind), |told, hint| told.hint(hint.as_str()))
}

impl Course {
    /// From here on new nodes are made in another region, cut off from those of the one before where the
    /// substrate has networks.
    pub fn enter_region(&mut self, region: &str) -> Result<()> {
        let region = self.node_name(region);
        let substrate = self.shared_substrate()?.in_region(&region)?;
        self.set_substrate(substrate);
        Ok(())
    }

    /// The name of a node of this part of the run: its own among all nodes of the run.
    pub fn node_name(&self, name: &str) -> String {
        format!("d{}-{name}", self.index())
    }

    /// Takes a server in: its log is saved, its death is told, and its node is removed at the end.
    pub fn adopt(&mut self, name: &str, server: impl Server + 'static) {
        self.servers.push((name.to_owned(), Arc::new(server)));
    }

    /// Gives a server the name of the one that it stands in for. That one keeps its node, as evidence, and is
    /// called damaged from now on.
    pub fn take_over(&mut self, name: &str, successor: &dyn Server) {
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

    /// Removes every node; gives the first failure after having tried all.
    pub(super) async fn remove_nodes(&self) -> Result<()> {
        let mut outcome = Ok(());
        for (_, server) in &self.servers {
            outcome = outcome.and(server.node().remove().await);
        }
        outcome
    }
}
