//! Prepares an unpacked cluster of somebody else for its first start.

use comeback_engine::RestoreFailure;
use comeback_engine::substrate::{Command, Io};
use comeback_model::{Finding, FindingCode};

use super::ForeignSettings;
use crate::error::{Error, Result};
use crate::server::node::PostgresServer;

/// The configuration files of a data directory, in the order in which the server reads them.
const FILES: [&str; 2] = ["postgresql.conf", "postgresql.auto.conf"];
/// What would make the server follow another one, or run the lost server's recovery.
const SIGNALS: [&str; 4] = ["standby.signal", "recovery.signal", "recovery.conf", "postmaster.pid"];
/// The largest configuration file that is read, in bytes.
const MOST_BYTES: usize = 4 << 20;
/// Most settings that this machine's server may refuse, one after another.
const MOST_REFUSED: usize = 50;

impl PostgresServer {
    /// Prepares the unpacked cluster in the data directory for its first start here, as code of somebody else.
    ///
    /// From now on the server starts with a configuration file of ours, in which are those settings of the cluster
    /// that are on the list, and of its preload libraries those in `libraries`. `postgresql.auto.conf` is set aside,
    /// because the server reads it always. Signal files of the lost server are removed. A link in the data directory
    /// that leads out of the node is a finding: the server would write there.
    pub async fn adopt_foreign(&self, libraries: &[String]) -> Result<ForeignSettings, RestoreFailure> {
        self.refuse_links_that_lead_out().await?;
        let data = self.data_dir();
        let mut texts = Vec::new();
        for name in FILES {
            texts.push(self.read_configuration(&format!("{data}/{name}")).await?);
        }
        let mut settings = ForeignSettings::read(texts.iter().map(String::as_str), libraries);
        for name in SIGNALS {
            self.remove_path(&format!("{data}/{name}")).await?;
        }
        self.write_file(&format!("{data}/postgresql.auto.conf"), b"").await?;
        self.write_file(&self.ident_path(), b"").await?;
        self.write_accepted(&mut settings).await?;
        self.use_own_configuration();
        Ok(settings)
    }

    /// The text of a configuration file; empty if there is none, as in a cluster that keeps it elsewhere.
    async fn read_configuration(&self, path: &str) -> Result<String> {
        let most = MOST_BYTES.to_string();
        let read = Command::new("sh").args(["-c", "[ ! -f \"$1\" ] || head -c \"$0\" \"$1\"", &most, path]);
        let output = self.node().exec(&read, Io::default()).await?;
        Ok(output.success(&format!("reading {path}"))?.text())
    }

    /// Writes the configuration file, without the settings whose values the server of this machine refuses, such as
    /// a time zone that is not installed here.
    async fn write_accepted(&self, settings: &mut ForeignSettings) -> Result<()> {
        for _ in 0..MOST_REFUSED {
            self.write_file(&self.config_path(), settings.render().as_bytes()).await?;
            let config = format!("config_file={}", self.config_path());
            let ask = self.command("postgres").args(["-D", &self.data_dir(), "-c", &config, "-C", "port"]);
            let output = self.node().exec(&ask.env("LC_ALL", "C"), Io::default()).await?;
            if output.code == 0 {
                return Ok(());
            }
            let refused = refused_setting(&output.stderr);
            if !refused.is_some_and(|name| settings.refuse(&name)) {
                return output.success("trying the settings of the cluster").map(drop);
            }
        }
        Err(Error::could_not_verify(format!(
            "the server of this machine refuses more than {MOST_REFUSED} settings of the cluster"
        )))
    }

    /// Fails if a link in the data directory leads out of the node. `pg_tblspc` and `pg_wal` may be links.
    async fn refuse_links_that_lead_out(&self) -> Result<(), RestoreFailure> {
        let find = "find \"$0\" -type l -exec sh -c 'for one; do printf \"%s\\t%s\\t%s\\n\" \"$one\" \
            \"$(readlink -m -- \"$one\")\" \"$(readlink -- \"$one\")\"; done' sh {} +";
        let find = Command::new("sh").args(["-c", find, &self.data_dir()]);
        let output = self.node().exec(&find, Io::default()).await?;
        let listing = output.success("looking for links in the data directory")?.text();
        let own = format!("{}/", self.root());
        for line in listing.lines() {
            let mut parts = line.split('\t');
            let (link, real, target) = (parts.next(), parts.next(), parts.next());
            let (Some(link), Some(real), Some(target)) = (link, real, target) else {
                return Err(leads_out(line, "a name with a tab or a line end").into());
            };
            if !real.starts_with(&own) {
                let link = link.strip_prefix(&self.data_dir()).unwrap_or(link).trim_start_matches('/');
                return Err(leads_out(link, target).into());
            }
        }
        Ok(())
    }
}

fn leads_out(link: &str, target: &str) -> Finding {
    let expected = "links that stay in the server's own folder";
    Finding::new(FindingCode::RestoreFailed, link, expected, format!("a link to {target}")).remedy(
        "restore tablespaces to folders of the new server: the backup must not name folders of a machine",
    )
}

/// The setting that a server complains about when it starts.
fn refused_setting(complaint: &str) -> Option<String> {
    const MARKS: [&str; 3] =
        ["invalid value for parameter \"", "unrecognized configuration parameter \"", "for parameter \""];
    let name = MARKS.iter().find_map(|mark| complaint.split_once(mark)?.1.split('"').next())?;
    // The server prints some names in their own spelling: `TimeZone`.
    Some(name.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setting_that_a_server_refuses_is_found() {
        let said = "FATAL:  invalid value for parameter \"TimeZone\": \"Mars/Olympus\"";
        assert_eq!(refused_setting(said).as_deref(), Some("timezone"));
        let said = "LOG:  unrecognized configuration parameter \"old\" in file \"/x\" line 1";
        assert_eq!(refused_setting(said).as_deref(), Some("old"));
        let said = "-5 is outside the valid range for parameter \"work_mem\" (64 .. 2147483647)";
        assert_eq!(refused_setting(said).as_deref(), Some("work_mem"));
        assert_eq!(refused_setting("FATAL:  out of memory"), None);
    }
}
