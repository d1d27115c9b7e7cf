//! How long a local PostgreSQL node takes from nothing to ready, and what a cached template would save.
//!
//! `cargo bench --bench node_start`; prints medians and their ratio, measured in turns in one run.

use std::io::Write as _;
use std::time::{Duration, Instant};

use comeback_engine::secret::Secret;
use comeback_engine::substrate::{Command, Io, LocalSubstrate, RunIdentity, Substrate};
use comeback_error::{Error, Result};
use comeback_postgres::PostgresServer;

const ROUNDS: usize = 11;

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| Error::could_not_verify(error.to_string()))?.block_on(compare())
}

async fn compare() -> Result<()> {
    let substrate = LocalSubstrate::new(&RunIdentity::random(false)?)?;
    let password = Secret::random()?;
    let template = PostgresServer::create(&substrate, "template", &password).await?;
    template.init().await?;
    let (mut with_initdb, mut with_template) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let watch = Instant::now();
        let server = PostgresServer::create(&substrate, &format!("a{round}"), &password).await?;
        server.init().await?;
        server.start(&[]).await?;
        with_initdb.push(watch.elapsed());
        server.node().remove().await?;

        let watch = Instant::now();
        let server = PostgresServer::create(&substrate, &format!("b{round}"), &password).await?;
        let copy =
            Command::new("cp").args(["-a", "--reflink=auto", &template.data_dir(), &server.data_dir()]);
        server.node().exec(&copy, Io::default()).await?.success("copying the template")?;
        server.start(&[]).await?;
        with_template.push(watch.elapsed());
        server.node().remove().await?;
    }
    substrate.remove_all().await?;
    let (initdb, template) = (median(with_initdb), median(with_template));
    let ratio = initdb.as_secs_f64() / template.as_secs_f64();
    let told = writeln!(
        std::io::stdout(),
        "from nothing to ready, median of {ROUNDS}: initdb {initdb:.3?}, copy of a template {template:.3?}, ratio {ratio:.2}"
    );
    told.map_err(|error| Error::could_not_verify(error.to_string()))
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
