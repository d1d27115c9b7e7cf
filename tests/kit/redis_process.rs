//! Starts servers of Redis and sentinels with settings of the test's own, which throw-away servers do not take: TLS,
//! users, ports. They listen on loopback alone, and end with the test.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use comeback_engine::secret::Secret;
use comeback_engine::substrate::probe_local;
use comeback_engine::wait;
use comeback_redis::{Credentials, RedisAddress, RedisClient, RedisUrl};
use memchr::memmem;

use super::place::files_below;
use super::require::or_skip;

const LIMIT: Duration = Duration::from_secs(30);
/// The password of every user here.
pub(crate) const PASSWORD: &str = "not-a-real-password-7";

/// A folder for servers, and the program that they run.
pub(crate) struct RedisLab {
    pub(crate) folder: tempfile::TempDir,
    program: PathBuf,
}

/// A server, killed when it is dropped.
pub(crate) struct RedisProcess(Child);

impl Drop for RedisProcess {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl RedisLab {
    /// `None` if this machine has no server's program.
    pub(crate) fn new() -> Option<Self> {
        let program = or_skip("local", probe_local().redis.path)?;
        Some(Self { folder: tempfile::tempdir().unwrap(), program })
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Starts a server with these lines of configuration, which say at which of its ports it listens.
    pub(crate) fn server(&self, name: &str, lines: &str) -> RedisProcess {
        let ours = "bind 127.0.0.1\nsave \"\"\nappendonly no\nrepl-diskless-sync-delay 0\n";
        self.start(name, &format!("{ours}{lines}"), &[])
    }

    /// Starts a sentinel.
    pub(crate) fn sentinel(&self, name: &str, lines: &str) -> RedisProcess {
        self.start(name, &format!("bind 127.0.0.1\n{lines}"), &["--sentinel"])
    }

    fn start(&self, name: &str, lines: &str, args: &[&str]) -> RedisProcess {
        let dir = self.path().join(name);
        std::fs::create_dir(&dir).unwrap();
        let (config, log) = (dir.join("server.conf"), dir.join("server.log"));
        std::fs::write(&config, format!("dir {}\nlogfile {}\n{lines}\n", dir.display(), log.display()))
            .unwrap();
        let mut command = Command::new("setpriv");
        // Whatever the name of the file, under this name it is the server.
        let script = "exec -a redis-server -- \"$0\" \"$@\"";
        command
            .args(["--pdeathsig", "KILL", "--", "bash", "-c", script])
            .arg(&self.program)
            .arg(&config)
            .args(args);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        RedisProcess(command.spawn().unwrap())
    }

    /// A server's address with the password, once it answers.
    pub(crate) async fn answering(&self, url: &str) -> RedisAddress {
        let address = RedisAddress::parse(url).unwrap().with_password(Some(Secret::given(PASSWORD)));
        wait::until("the server to answer", LIMIT, async || {
            RedisClient::connect(&address, 0).await.map(drop).map_err(|error| error.to_string())
        })
        .await
        .unwrap();
        address
    }

    /// The exit code, standard output and standard error of a command, with the password in its environment. The
    /// password is nowhere in them.
    pub(crate) fn comeback(&self, args: &[&str]) -> (Option<i32>, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_comeback"));
        command.args(args).args(["--repository", "backups"]).current_dir(self.path());
        command.env("REDISCLI_AUTH", PASSWORD).env("COLUMNS", "100");
        let Output { status, stdout, stderr } = command.output().unwrap();
        let [stdout, stderr] = [stdout, stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        assert!(!stdout.contains(PASSWORD) && !stderr.contains(PASSWORD), "{stdout}{stderr}");
        (status.code(), stdout, stderr)
    }

    /// Takes a backup and returns its id, and what was told beside.
    pub(crate) fn backup(&self, from: &str, more: &[&str]) -> (String, String) {
        let (code, told, wrong) = self.comeback(&[&["backup", "redis", "--from", from], more].concat());
        assert_eq!(code, Some(0), "{told}{wrong}");
        (told.split_whitespace().nth(1).unwrap().to_owned(), wrong)
    }

    /// Fails if a password is in what the commands wrote: backups, evidence, reports.
    pub(crate) fn nothing_leaked(&self) {
        for folder in ["backups", "evidence"] {
            let files = files_below(&self.path().join(folder));
            assert!(!files.is_empty(), "nothing was written to {folder}");
            for file in files {
                let content = std::fs::read(&file).unwrap();
                assert!(memmem::find(&content, PASSWORD.as_bytes()).is_none(), "{}", file.display());
            }
        }
    }

    /// The help of a command of Redis.
    pub(crate) fn help(command: &str) -> String {
        let mut program = Command::new(env!("CARGO_BIN_EXE_comeback"));
        let output = program.args([command, "redis", "--help"]).env("COLUMNS", "100").output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    /// An address with the password, for the library.
    pub(crate) fn url(url: &str) -> RedisUrl {
        let secret = || Some(Secret::given(PASSWORD));
        let mut given = Credentials { password: secret(), ..Credentials::default() };
        given.sentinel_password = secret().filter(|_| url.contains("+sentinel"));
        RedisUrl::parse(url).unwrap().with_credentials(&given).unwrap()
    }
}

/// Certificates that openssl made.
pub(crate) mod certificates {
    use std::path::Path;
    use std::process::Command;

    fn openssl(folder: &Path, arguments: &str) {
        let output = Command::new("openssl").current_dir(folder).args(arguments.split(' ')).output().unwrap();
        assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// `root.crt` and `other.crt`, which sign; `server.crt` and `expired.crt` for 127.0.0.1 and cache.example, and
    /// `client.crt`, which the first one signed; `stranger.crt`, which the other signed; each with its key. Whether openssl is there.
    pub(crate) fn make(folder: &Path) -> bool {
        if Command::new("openssl").arg("version").output().is_err() {
            return false;
        }
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
        for root in ["root", "other"] {
            openssl(
                folder,
                &format!("req -x509 {key} -days 2 -subj /CN={root} -keyout {root}.key -out {root}.crt"),
            );
        }
        let names = "IP:127.0.0.1,DNS:cache.example";
        for (name, root, names, days) in [
            ("server", "root", names, 2),
            ("expired", "root", names, -1),
            ("client", "root", "DNS:client", 2),
            ("stranger", "other", "DNS:client", 2),
        ] {
            openssl(folder, &format!("req {key} -subj /CN={name} -keyout {name}.key -out {name}.csr"));
            std::fs::write(folder.join("names"), format!("subjectAltName={names}")).unwrap();
            let signed_by =
                format!("-CA {root}.crt -CAkey {root}.key -CAcreateserial -days {days} -extfile names");
            openssl(folder, &format!("x509 -req -in {name}.csr {signed_by} -out {name}.crt"));
        }
        true
    }
}
