//! Judge of a restored server's append-only file.

use async_trait::async_trait;
use comeback_engine::judge::{Judge, Opinion};
use comeback_engine::substrate::{Command, Io};
use comeback_error::Result;
use comeback_model::{Finding, FindingCode, NotLookedAt, ScopeKind};

use crate::RedisServer;

/// The names of the program in distributions.
const CHECKERS: [&str; 2] = ["redis-check-aof", "valkey-check-aof"];
/// Prints the file to check: the manifest of several files, or else a file alone.
const FIND: &str =
    "cd -- \"$0\" && for f in */*.manifest *.aof; do [ -f \"$f\" ] && exec printf %s \"$0/$f\"; done";

/// Checks the append-only file that a server has loaded with the program that comes with it. The server itself has
/// loaded it strictly; the program reads it once more, without the server.
pub struct AppendOnlyFile<'a> {
    /// The restored server.
    pub server: &'a RedisServer,
}

#[async_trait]
impl Judge for AppendOnlyFile<'_> {
    fn name(&self) -> &'static str {
        "append-only-file"
    }

    async fn judge(&self) -> Result<Opinion> {
        let node = self.server.node();
        let mut program = None;
        for name in CHECKERS {
            program = program.or(node.find_program(name).await.ok());
        }
        let find = Command::new("sh").args(["-c", FIND, &self.server.data_dir()]);
        let path = node.exec(&find, Io::default()).await?.text();
        let Some(program) = program.filter(|_| !path.is_empty()) else {
            let why = "there is no redis-check-aof where the server runs";
            let unchecked = NotLookedAt::new(ScopeKind::AppendOnlyFile, "append-only file", why);
            return Ok(Opinion::new("the server loaded it, and no other program read it", [])
                .not_looked_at([unchecked]));
        };
        let checked = node.exec(&Command::new(&program).arg(&path), Io::default()).await?;
        let (said, is_whole) = (checked.text(), checked.code == 0);
        let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it says nothing");
        let finding = (!is_whole).then(|| {
            Finding::new(
                FindingCode::BackupDamaged,
                "append-only file",
                "a file that redis-check-aof accepts",
                last,
            )
            .remedy("verify an older backup, and find out what wrote or copied this one")
        });
        Ok(Opinion::new(format!("redis-check-aof: {last}"), finding))
    }
}
