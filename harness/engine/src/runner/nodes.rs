//! The servers of a course: how nodes are created, their region and names, and their removal.

use std::sync::Arc;

use comeback_error::{Error, ErrorKind, Result};
use comeback_model::{Check, Verdict};

use super::{Course, Server};
use crate::substrate::{Cell, Contained, SoftwareChoice, Substrate};
use crate::{died, wait};

/// Puts the death of a server in front of the error that it caused. If its machine is at fault, the error counts as
/// *could not verify*.
fn explain(error: &Error, death: &Error) -> Error {
    let kind = if death.kind() == ErrorKind::Failed { error.kind() } else { death.kind() };
    let message = format!("{}; what came of it: {}", death.message(), error.message());
    let hints = death.hints().iter().chain(error.hints());
    hints.fold(Error::could_not_verify(message).into_kind(kind), |told, hint| told.hint(hint.as_str()))
}

impl Course {
    /// From now on new nodes are created in another region. If the substrate has networks, they cannot reach the
    /// previous region.
    pub fn enter_region(&mut self, region: &str) -> Result<()> {
        let region = self.node_name(region);
        let substrate = self.shared_substrate()?.in_region(&region)?;
        self.set_substrate(substrate);
        Ok(())
    }

    /// From now on new nodes have the server software that the user chose, if any.
    pub fn use_software(&mut self, choice: &SoftwareChoice) -> Result<()> {
        if choice.is_empty() {
            return Ok(());
        }
        let substrate = self.shared_substrate()?;
        self.note(choice.describe(substrate.kind())?);
        self.set_substrate(substrate.with_software(choice)?);
        Ok(())
    }

    /// From now on new nodes are for code of somebody else, such as the functions of a restored database. What the cell
    /// does and does not is noted.
    pub fn enter_cell(&mut self, cell: Cell) -> Result<()> {
        let outside = self.shared_substrate()?;
        let Contained { substrate, walls, gaps } = Arc::clone(&outside).contained(cell)?;
        self.note(walls);
        if let Some(gaps) = gaps {
            self.note(format!("what the cell does not do here: {gaps}"));
        }
        self.outside = Some(outside);
        self.set_substrate(substrate);
        Ok(())
    }

    /// Where nodes are made that run no code of a backup, such as the tool that reads its repository: outside of the
    /// cell, if there is one.
    pub fn outside_cell(&self) -> Result<&dyn Substrate> {
        match &self.outside {
            Some(outside) => Ok(&**outside),
            None => self.substrate(),
        }
    }

    /// Records that restored servers run without a cell, because the user said so.
    pub(crate) fn stay_uncontained(&self) {
        let summary = "the restored server was not contained (--uncontained): what came back could reach the network and \
                       what the server's user can";
        self.note(summary);
        self.record(Check {
            judge: "cell".to_owned(),
            verdict: Verdict::Skipped,
            summary: summary.to_owned(),
            findings: Vec::new(),
            not_looked_at: Vec::new(),
            hints: Vec::new(),
            elapsed_ms: 0,
            statement: None,
        });
    }

    /// The name of a node of this part of the run, unique among all nodes of the run.
    pub fn node_name(&self, name: &str) -> String {
        format!("d{}-{name}", self.index())
    }

    /// Registers a server: its log is saved, its death is reported, and its node is removed at the end.
    pub fn adopt(&mut self, name: &str, server: impl Server + 'static) {
        self.servers().push((name.to_owned(), Arc::new(server)));
    }

    /// Gives a server the name of the server that it replaces. The old server keeps its node, as evidence, under
    /// the name `…-damaged`.
    pub fn take_over(&mut self, name: &str, successor: &dyn Server) {
        for (own, server) in &mut *self.servers() {
            if own == name {
                *own = format!("{name}-damaged");
            } else if server.node().name() == successor.node().name() {
                name.clone_into(own);
            }
        }
        self.note(format!("{} is {name} now", successor.node().name()));
    }

    /// Puts the last words of a server that died in front of an error: they explain it, a broken connection does
    /// not.
    pub(super) async fn with_last_words(&self, error: Error) -> Error {
        let servers = self.servers().clone();
        for (_, server) in &servers {
            // A server that does not answer explains nothing.
            let words = wait::at_most("its last words", wait::limits().connect, server.last_words()).await;
            let Ok(Ok(Some(words))) = words else { continue };
            if error.message().contains(&words) {
                return error;
            }
            return explain(&error, &died(server.node().name(), &words));
        }
        error
    }

    /// Where the data of its servers lies.
    pub(super) fn places_of_data(&self) -> String {
        let place = |server: &Arc<dyn Server>| {
            let node = server.node();
            match node.host_path(node.dir()) {
                Some(path) => path.display().to_string(),
                None => format!("the volume of the container of {}", node.name()),
            }
        };
        self.servers().iter().map(|(_, server)| place(server)).collect::<Vec<_>>().join(", ")
    }

    /// Removes every node. Tries all of them, then returns the first failure.
    pub(super) async fn remove_nodes(&self) -> Result<()> {
        let mut outcome = Ok(());
        let servers = self.servers().clone();
        for (_, server) in &servers {
            outcome = outcome.and(server.node().remove().await);
        }
        outcome
    }
}
