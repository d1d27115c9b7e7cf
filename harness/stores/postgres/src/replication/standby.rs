//! A server that replicates another one, until it takes its place.

use std::time::Duration;

use comeback_engine::secret::Secret;
use comeback_engine::substrate::{Endpoint, Io};
use comeback_engine::wait;
use comeback_model::Lsn;

use super::fence::STANDBY_SIGNAL;
use crate::connection::address::{PORT, SUPERUSER};
use crate::connection::session::close;
use crate::error::{Context as _, Error, Result};
use crate::recovery::replay::promote;
use crate::server::launch::{Admission, Launch};
use crate::server::node::{PostgresServer, START_LIMIT};

/// How long a standby may take to receive and replay what there is.
const CATCH_UP_LIMIT: Duration = Duration::from_mins(10);

/// A server that replicates another one.
#[derive(Clone)]
pub struct Standby {
    /// The server. It answers reads.
    pub server: PostgresServer,
}

impl Standby {
    /// Makes a standby of `primary` in an empty node of its region, and waits until it streams. A slot of this name
    /// keeps the log for it on the primary, which must admit standbys.
    ///
    /// The data directory is a new copy. An older one of the same cluster may have writes that the primary lacks.
    pub async fn build(server: PostgresServer, primary: &PostgresServer, slot: &str) -> Result<Self> {
        make_slot(primary, slot).await?;
        let address = primary.peer_address();
        let programs = server.programs().talking_to(address);
        let command = programs
            .client("pg_basebackup", primary.major())
            .args(["--pgdata", &server.data_dir(), "--slot", slot])
            .args(["--wal-method=stream", "--checkpoint=fast"]);
        let copied = programs.with_login(Box::pin(server.node().exec(&command, Io::default()))).await?;
        copied.success("copying the data directory of the primary")?;

        server.write_file(&format!("{}/{STANDBY_SIGNAL}", server.data_dir()), b"").await?;
        let passfile = format!("{}/upstream.pgpass", server.node().dir());
        let password = primary.address().password().map_or("", Secret::expose);
        let line = format!("*:*:*:*:{password}\n");
        server.write_file(&passfile, line.as_bytes()).await?;
        let launch = Launch {
            admission: Admission::RolesAndStandbys,
            upstream: connection_string(&primary.node().peer(), &passfile),
            slot: slot.to_owned(),
        };
        server.launch_as(&[], &launch).await?;
        server.wait_until_it_answers(START_LIMIT).await?;
        let standby = Self { server };
        standby.wait_until_it_streams().await?;
        Ok(standby)
    }

    /// Takes a server that is in recovery as it is, whatever it has: it follows nobody.
    pub(crate) async fn reuse(server: PostgresServer) -> Result<Self> {
        server.admit(Admission::RolesAndStandbys).await?;
        Ok(Self { server })
    }

    async fn wait_until_it_streams(&self) -> Result<()> {
        wait::until("the standby to stream", CATCH_UP_LIMIT, async || {
            if let Err(gone) = self.server.ensure_running().await {
                return Ok(Err(gone));
            }
            match self.ask("select coalesce(max(status), 'not connected') from pg_stat_wal_receiver").await {
                Ok(status) if status == "streaming" => Ok(Ok(())),
                Ok(status) => Err(status),
                Err(error) => Err(error.message().to_owned()),
            }
        })
        .await?
    }

    /// How far it has replayed the log of its primary.
    pub async fn replayed(&self) -> Result<Lsn> {
        let lsn = self.ask("select pg_last_wal_replay_lsn()::text").await?;
        lsn.parse().context("asking how far the standby is")
    }

    /// Waits until it has replayed the log up to a position.
    pub async fn wait_until_replayed(&self, lsn: Lsn) -> Result<()> {
        wait::until(&format!("the standby to replay up to {lsn}"), CATCH_UP_LIMIT, async || {
            if let Err(gone) = self.server.ensure_running().await {
                return Ok(Err(gone));
            }
            match self.replayed().await {
                Ok(replayed) if replayed >= lsn => Ok(Ok(())),
                Ok(replayed) => Err(format!("it is at {replayed}")),
                Err(error) => Err(error.message().to_owned()),
            }
        })
        .await?
        .map_err(|error: Error| error.hint("its primary keeps the log for it: repair it, and start again"))
    }

    /// Lets it accept writes, and waits until it does. Returns its new timeline.
    pub async fn promote(&self) -> Result<u32> {
        promote(&self.server).await
    }

    async fn ask(&self, sql: &'static str) -> Result<String> {
        let mut connection = self.server.connect("postgres").await?;
        let answer = sqlx::query_scalar(sql).fetch_one(&mut connection).await;
        close(connection).await;
        answer.context("asking the standby")
    }
}

async fn make_slot(primary: &PostgresServer, slot: &str) -> Result<()> {
    let mut connection = primary.connect("postgres").await?;
    let made = sqlx::query("select pg_create_physical_replication_slot($1, true)")
        .bind(slot)
        .execute(&mut connection)
        .await;
    close(connection).await;
    made.map(drop).context("keeping the log for the standby")
}

/// How a standby connects to its primary. The password is in a file, because everybody can read arguments.
fn connection_string(primary: &Endpoint, passfile: &str) -> String {
    let port = PORT.to_string();
    let (host, port) = match primary {
        Endpoint::Unix { dir } => (dir.as_str(), port),
        Endpoint::Tcp { host, port } => (host.as_str(), port.to_string()),
    };
    let parts = [
        ("host", host),
        ("port", &port),
        ("user", SUPERUSER),
        ("passfile", passfile),
        ("sslmode", "disable"),
        ("application_name", "standby"),
    ];
    let quoted = |value: &str| value.replace('\\', "\\\\").replace('\'', "\\'");
    parts.map(|(name, value)| format!("{name}='{}'", quoted(value))).join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_string_quotes_its_values_and_holds_no_password() {
        let text = connection_string(&Endpoint::Unix { dir: "/it's here".to_owned() }, "/node/pgpass");
        assert!(text.starts_with("host='/it\\'s here' port='5432' user='postgres' passfile="), "{text}");
        assert!(!text.contains("password"));
    }
}
