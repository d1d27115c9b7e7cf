//! Client programs on this machine, run as the user of this process.

use std::path::Path;

use comeback_engine::substrate::{Command, Io, Node, workplace};

use super::programs::ClientPrograms;
use super::version::parse_major;
use crate::connection::address::PostgresAddress;
use crate::error::{Error, Result};

/// Where Debian and Ubuntu install the programs of each major version.
const DEBIAN: &str = "/usr/lib/postgresql";

impl ClientPrograms {
    /// The programs of this machine for a server of the user's: those of the folder `bin`, or else those of the
    /// server's own major version, or else the newest that are installed. Each of `needed` must be there, and at least
    /// as new as the server.
    ///
    /// They run as the user of this process, because the server may ask the operating system who its client is. What
    /// they write goes into a folder that is removed with the last of them.
    pub async fn of_this_machine(
        server: &PostgresAddress,
        bin: Option<&Path>,
        needed: &[&str],
    ) -> Result<Self> {
        let major = server.major().await?;
        let node = workplace()?;
        let folder = match bin {
            Some(bin) => absolute(bin)?,
            None => usual_folder(&*node, major, needed).await?,
        };
        for program in needed {
            check(&*node, &folder, program, major, bin.is_some()).await?;
        }
        Ok(Self::new(node, folder, server.clone()))
    }
}

fn absolute(bin: &Path) -> Result<String> {
    let complain = || Error::usage(format!("{} is no folder of programs", bin.display()));
    let absolute = std::path::absolute(bin).map_err(|_| complain())?;
    absolute.to_str().map(ToOwned::to_owned).ok_or_else(complain)
}

async fn usual_folder(node: &dyn Node, major: u32, needed: &[&str]) -> Result<String> {
    let Some(first) = needed.first() else { return Ok("/usr/bin".to_owned()) };
    let own = format!("{DEBIAN}/{major}/bin");
    if Path::new(&own).join(first).is_file() {
        return Ok(own);
    }
    let path = node.find_program(first).await.map_err(|error| error.hint(install(major)))?;
    Ok(path.rsplit_once('/').map_or("/usr/bin", |(folder, _)| folder).to_owned())
}

fn install(major: u32) -> String {
    format!("or name their folder with --bin DIR; Debian has them in postgresql-client-{major}")
}

/// Fails unless a program is there and knows the server's version.
async fn check(node: &dyn Node, folder: &str, program: &str, major: u32, is_named: bool) -> Result<()> {
    let path = format!("{folder}/{program}");
    let complain = |sentence: String| {
        let error = if is_named { Error::usage(sentence) } else { Error::could_not_verify(sentence) };
        error
            .hint(format!("apt-get install postgresql-client-{major}, or name another folder with --bin DIR"))
    };
    if !Path::new(&path).is_file() {
        return Err(complain(format!("there is no program {path}")));
    }
    let asked = node.exec(&Command::new(&path).arg("--version"), Io::default()).await?;
    let version = asked.success(&format!("asking {path} for its version"))?.text().trim().to_owned();
    let found = parse_major(&version)?;
    if found < major {
        return Err(complain(format!(
            "{path} is of PostgreSQL {found}, and the server is {major}: an older program does not know all of it"
        )));
    }
    Ok(())
}
