//! A folder of this machine in which client programs run as the user of this process.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use comeback_error::{Error, Result};

use super::local::{Account, Launcher, SearchPath, run_to_end};
use super::scratch::Scratch;
use super::{Command, Endpoint, Io, Node, Output, Signal};

/// A private folder, and the programs that work in it. Both go when this is dropped.
///
/// Unlike the nodes of a substrate it keeps the user of this process, because a server may ask the operating system who
/// its client is. No server runs in it.
struct Workplace {
    scratch: Scratch,
    dir: String,
    launcher: Launcher,
}

/// Makes a place for client programs on this machine.
pub fn workplace() -> Result<Arc<dyn Node>> {
    let account = Account::current()?;
    let search = SearchPath::of_this_machine(&account);
    let launcher = Launcher::new(account, search, false)?;
    let scratch = Scratch::create(false)?;
    let dir = scratch.path().to_string_lossy().into_owned();
    Ok(Arc::new(Workplace { scratch, dir, launcher }))
}

fn no_server() -> Error {
    Error::usage("no server runs where client programs work")
}

#[async_trait]
impl Node for Workplace {
    fn name(&self) -> &'static str {
        "this machine"
    }

    fn dir(&self) -> &str {
        &self.dir
    }

    fn endpoint(&self) -> Endpoint {
        Endpoint::Unix { dir: self.dir.clone() }
    }

    fn host_path(&self, inside: &str) -> Option<PathBuf> {
        Some(PathBuf::from(inside))
    }

    async fn find_program(&self, name: &str) -> Result<String> {
        Ok(self.launcher.search.find(name)?.to_string_lossy().into_owned())
    }

    async fn exec(&self, command: &Command, io: Io<'_>) -> Result<Output> {
        run_to_end(&self.launcher, command, Path::new(&self.dir), io).await
    }

    async fn start(&self, _command: &Command, _log: &str) -> Result<()> {
        Err(no_server())
    }

    async fn is_running(&self) -> Result<bool> {
        Ok(false)
    }

    async fn has_crashed(&self) -> Result<bool> {
        Ok(false)
    }

    async fn stop(&self, _signal: Signal, _limit: Duration) -> Result<()> {
        Err(no_server())
    }

    async fn kill(&self) -> Result<()> {
        Ok(())
    }

    async fn remove(&self) -> Result<()> {
        Ok(())
    }

    fn shell_hint(&self) -> String {
        format!("cd {}", self.scratch.path().display())
    }
}
