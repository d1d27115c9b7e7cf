//! The end of drills and restores: servers are removed on every path, and each action has a time limit.

use comeback_error::Result;
use comeback_model::Phase;

use super::Course;
use crate::substrate::Substrate;
use crate::wait;

/// Removes what is left of a run, up to a time limit.
pub(super) async fn tear_down(substrate: &dyn Substrate) -> Result<()> {
    at_end("the rest of the run to be removed", substrate.remove_all()).await
}

/// Runs one action at the end, with a time limit of its own.
async fn at_end(what: &str, doing: impl Future<Output = Result<()>>) -> Result<()> {
    wait::at_most(what, wait::limits().teardown, doing)
        .await
        .map_err(|error| error.hint("`comeback clean` removes what stays behind, once this run has ended"))?
}

impl Course {
    /// Saves the servers' logs and removes the servers, or keeps them and reports how to connect.
    pub(super) async fn end(&self, keep: bool) -> Result<()> {
        self.step(Phase::Teardown, if keep { "keep the servers" } else { "remove the servers" });
        let saved = at_end("the servers' logs to be saved", self.save_logs()).await;
        let removed = if keep {
            at_end("the servers to tell how they are reached", self.tell_how_to_connect()).await
        } else {
            at_end("the servers to be removed", self.remove_nodes()).await
        };
        saved.and(removed)
    }
}
