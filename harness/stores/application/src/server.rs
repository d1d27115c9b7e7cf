//! The application in a node: a copy of this program, which the node runs with a command of its own.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use comeback_engine::runner::Server;
use comeback_engine::substrate::{
    Command, Endpoint, Io, Node, NodeSpec, Reach, Signal, Software, Substrate, write_private,
};
use comeback_engine::{LogIn, died, wait};
use comeback_error::{Context as _, Error, Result};

use crate::client::{AppClient, Request};
use crate::configuration::Configuration;
use crate::packing::pack;

/// The command of this program that is the application.
pub const COMMAND: &str = "sample-app";
/// The port in the node.
const PORT: u16 = 8080;
/// How much of a bucket is in memory at a time.
const PIECE_BYTES: usize = 64 * 1024;
/// How long the application may take to answer after its start, and to be ready.
const START_LIMIT: Duration = Duration::from_mins(1);
/// How long it may take to stop: it finishes its requests.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// The application: its node, and how it was started.
#[derive(Clone)]
pub struct ApplicationServer {
    node: Arc<dyn Node>,
    address: SocketAddr,
    configuration: Arc<Mutex<Option<Configuration>>>,
    has_bucket: Arc<AtomicBool>,
}

/// What the application says of each thing that it needs: `ok`, or why it is not there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Readiness(pub BTreeMap<String, String>);

impl ApplicationServer {
    /// Creates a node that is reached at a loopback address, and puts a copy of `program` into it. Nothing runs in it
    /// yet. `program` is this one: it has the application in it.
    pub async fn create(substrate: &dyn Substrate, name: &str, reach: Reach, program: &Path) -> Result<Self> {
        let spec = NodeSpec {
            name: name.to_owned(),
            software: Software::Application,
            major: None,
            port: PORT,
            reach,
        };
        let node = substrate.create(&spec).await?;
        let Endpoint::Tcp { host, port } = node.endpoint() else {
            return Err(Error::usage(format!("the application in {name} needs an address of its own")));
        };
        let address = format!("{host}:{port}").parse().context("reading the address of a node")?;
        let server = Self { node, address, configuration: Arc::default(), has_bucket: Arc::default() };
        server.put(program).await?;
        Ok(server)
    }

    /// The node that it runs in.
    pub fn node(&self) -> &dyn Node {
        &*self.node
    }

    /// Its users' client.
    pub fn client(&self) -> AppClient {
        AppClient::new(self.address)
    }

    fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.node.dir())
    }

    /// Puts the program into the node, and tries whether it runs there.
    async fn put(&self, program: &Path) -> Result<()> {
        let doing = || format!("reading {}", program.display());
        let mut file = tokio::fs::File::open(program).await.context(doing())?;
        let path = self.path("comeback");
        let write = Command::new("sh").args(["-c", "umask 077 && cat > \"$0\" && chmod 0700 \"$0\"", &path]);
        let written = self.node.exec(&write, Io { stdin: Some(&mut file), stdout: None }).await?;
        written.success("copying the application into its node")?;
        let tried = self.node.exec(&Command::new(&path).arg("--version"), Io::default()).await?;
        tried.success("starting the application in its node").map(drop).map_err(|error| {
            error
                .hint("an image whose C library is older than this machine's cannot run a program of it")
                .hint("use an image of a newer distribution, or --substrate local")
        })
    }

    /// Puts a copy of a bucket in a folder into the node, in place of one that is there. The application serves its
    /// photos from the next start on.
    pub async fn put_bucket(&self, folder: &Path) -> Result<()> {
        let doing = format!("copying the bucket {} into a node", folder.display());
        let unpack = "rm -rf -- \"$0\" && mkdir -- \"$0\" && exec tar -xf - -C \"$0\"";
        let (packed, mut unpacked) = tokio::io::duplex(PIECE_BYTES);
        let command = Command::new("sh").args(["-c", unpack, &self.bucket()]);
        // It drops its end: if the command stops reading, packing fails, and does not wait for ever.
        let unpacking = async move {
            let io = Io { stdin: Some(&mut unpacked), stdout: None };
            self.node.exec(&command, io).await
        };
        let (packed, written) = tokio::join!(pack(folder, packed), unpacking);
        written?.success(&doing)?;
        packed.context(&doing)?;
        self.has_bucket.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn bucket(&self) -> String {
        self.path("bucket")
    }

    /// Starts the application, and waits until it answers. Whether what it needs is there is another question:
    /// [`readiness`](Self::readiness).
    pub async fn start(&self, configuration: &Configuration) -> Result<()> {
        let folder = self.path("secrets");
        let renew = "rm -rf -- \"$0\" && mkdir -m 0700 -- \"$0\"";
        let renewed = self.node.exec(&Command::new("sh").args(["-c", renew, &folder]), Io::default()).await?;
        renewed.success("making the folder of the application's secrets")?;
        let Endpoint::Tcp { host, port } = self.node.listen() else {
            return Err(Error::usage("the application listens at an address"));
        };
        let mut command = Command::new(self.path("comeback"))
            .arg(COMMAND)
            .env("LISTEN", format!("{host}:{port}"))
            .env("REGION", &configuration.region)
            .env("DATABASE_URL", &configuration.database_url)
            .env("REDIS_URL", &configuration.cache_url)
            .env("JOBS", if configuration.runs_jobs { "on" } else { "off" })
            .env("FILL_CACHE", if configuration.fills_cache { "on" } else { "off" });
        if self.has_bucket.load(Ordering::Relaxed) {
            command = command.env("BUCKET", self.bucket());
        }
        for (variable, value) in configuration.secrets.versions_in_force() {
            command = command.env(variable, value);
        }
        for file in configuration.secrets.files() {
            let path = format!("{folder}/{}", file.name);
            write_private(&*self.node, &path, file.value.expose()).await?;
            command = command.env(file.variable, path);
        }
        self.node.start(&command, &self.path("server.log")).await?;
        *self.configuration.lock().unwrap_or_else(PoisonError::into_inner) = Some(configuration.clone());
        self.wait_until_it_answers().await
    }

    async fn wait_until_it_answers(&self) -> Result<()> {
        let (client, alive) = (self.client(), Request::get("/healthz"));
        let answered = wait::until("the application to answer", START_LIMIT, async || {
            // One that has stopped will not answer: stop waiting.
            if !self.node.is_running().await.map_err(|error| error.to_string())? {
                return Ok(false);
            }
            client.send(&alive).await.map(|_| true).map_err(|error| error.message().to_owned())
        });
        if answered.await? {
            return Ok(());
        }
        Err(died(self.node.name(), &end_of(&self.read_log().await?)))
    }

    /// How it was last started.
    pub fn configuration(&self) -> Result<Configuration> {
        let known = self.configuration.lock().unwrap_or_else(PoisonError::into_inner).clone();
        known.ok_or_else(|| Error::could_not_verify(format!("{} was never started", self.node.name())))
    }

    /// Stops it, and starts it with another configuration.
    pub async fn restart(&self, configuration: &Configuration) -> Result<()> {
        self.stop().await?;
        self.start(configuration).await
    }

    /// What it says of what it needs.
    pub async fn readiness(&self) -> Result<Readiness> {
        self.client().readiness().await
    }

    /// Waits until everything is there that it needs. The error says what it last said.
    pub async fn wait_until_ready(&self) -> Result<()> {
        wait::until("the application to be ready", START_LIMIT, async || {
            let readiness = self.readiness().await.map_err(|error| error.message().to_owned())?;
            if readiness.is_ready() { Ok(()) } else { Err(readiness.to_string()) }
        })
        .await
    }

    /// Stops it as an operator does: it finishes its requests.
    pub async fn stop(&self) -> Result<()> {
        self.node.stop(Signal::Term, STOP_LIMIT).await
    }

    /// Its log.
    pub async fn read_log(&self) -> Result<String> {
        let read = Command::new("cat").arg(self.path("server.log"));
        Ok(self.node.exec(&read, Io::default()).await?.success("reading the application's log")?.text())
    }
}

impl AppClient {
    /// What the application says of what it needs.
    pub async fn readiness(&self) -> Result<Readiness> {
        let answer = self.send(&Request::get("/readyz")).await?;
        let json = answer.json();
        let needs = json["needs"].as_object().ok_or_else(|| {
            Error::could_not_verify(format!("what answers at {} is not the application", self.address()))
        })?;
        let needs = needs.iter().map(|(name, said)| (name.clone(), said.as_str().unwrap_or("?").to_owned()));
        Ok(Readiness(needs.collect()))
    }
}

impl Readiness {
    /// Whether nothing is missing.
    pub fn is_ready(&self) -> bool {
        self.missing().next().is_none() && !self.0.is_empty()
    }

    /// What is missing, and why.
    pub fn missing(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().filter(|(_, said)| *said != "ok").map(|(name, said)| (name.as_str(), said.as_str()))
    }

    /// The result of the application's log-in at a server. One that was not refused and is not there either is an error.
    pub fn log_in(&self, server: &str) -> Result<LogIn> {
        match self.0.get(server).map(String::as_str) {
            Some("ok") => Ok(LogIn::Accepted),
            // As PostgreSQL and as the client of Redis say it.
            Some(why) if why.to_lowercase().contains("authentication failed") => {
                Ok(LogIn::Refused(why.to_owned()))
            }
            Some(why) => Err(Error::could_not_verify(format!("the application lacks {server}: {why}"))),
            None => Err(Error::could_not_verify(format!("the application does not speak of {server}"))),
        }
    }
}

impl std::fmt::Display for Readiness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let missing: Vec<_> = self.missing().map(|(name, why)| format!("{name}: {why}")).collect();
        f.write_str(if missing.is_empty() { "ready" } else { "not ready: " })?;
        f.write_str(&missing.join("; "))
    }
}

#[async_trait]
impl Server for ApplicationServer {
    fn node(&self) -> &dyn Node {
        self.node()
    }

    async fn log_text(&self) -> Result<String> {
        self.read_log().await
    }

    async fn last_words(&self) -> Result<Option<String>> {
        Ok(if self.node.has_crashed().await? { Some(end_of(&self.read_log().await?)) } else { None })
    }

    async fn tell_how_to_connect(&self, _: &Path, _: &str) -> Result<String> {
        Ok(format!("curl http://{}/readyz", self.address))
    }
}

/// The last error of a log, or else its last line.
fn end_of(log: &str) -> String {
    let error = log.lines().rev().find_map(|line| line.strip_prefix("error: "));
    error.or(log.lines().last()).unwrap_or("its log is empty").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_log_in_is_told_from_a_server_that_is_not_there() {
        let of = |said: &str| Readiness([("redis".to_owned(), said.to_owned())].into());
        assert_eq!(of("ok").log_in("redis").unwrap(), LogIn::Accepted);
        let refused = "Password authentication failed - AuthenticationFailed";
        assert_eq!(of(refused).log_in("redis").unwrap(), LogIn::Refused(refused.to_owned()));
        assert!(of("Connection refused").log_in("redis").is_err() && of("ok").log_in("postgresql").is_err());
        assert!(of("ok").is_ready() && !of(refused).is_ready() && !Readiness::default().is_ready());
        assert_eq!(of("gone").to_string(), "not ready: redis: gone");
    }
}
