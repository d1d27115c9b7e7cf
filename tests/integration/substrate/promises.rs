//! The promises of `Node` and `Substrate`, one function each.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use comeback_engine::substrate::{Command, Endpoint, Io, Node, Signal};
use comeback_engine::wait;
use comeback_error::ErrorKind;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::kit::substrate_bench::{SubstrateBench, printed, run, sh, spec};

const LIMIT: Duration = Duration::from_secs(20);

pub(super) async fn exit_codes_and_outputs_are_told_apart(bench: &SubstrateBench) {
    let node = bench.node("primary").await;
    let output = run(&*node, &sh("echo out; echo err >&2; exit 3")).await;
    assert_eq!((output.code, output.text().as_str(), output.stderr.as_str()), (3, "out\n", "err\n"));
    assert_eq!(run(&*node, &Command::new("true")).await.code, 0);
    assert_eq!(run(&*node, &Command::new("cat")).await.code, 0, "without a source there is nothing to read");
    assert_eq!(run(&*node, &sh("kill -9 $$")).await.code, 137);
    assert_eq!(run(&*node, &Command::new("printf").args(["%s|", "a b", "", "$x"])).await.text(), "a b||$x|");
}

pub(super) async fn a_command_that_cannot_start_is_an_error(bench: &SubstrateBench) {
    let node = bench.node("primary").await;
    for program in ["no-such-program", "./no-such-program", "/no/such/program"] {
        let error = node.exec(&Command::new(program), Io::default()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CouldNotVerify);
        assert!(
            error.message().contains("no-such-program") || error.message().contains("/no/such"),
            "{error}"
        );
        let error = node.start(&Command::new(program), "log").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CouldNotVerify);
    }
    assert_eq!(run(&*node, &sh("no-such-program")).await.code, 127);
}

pub(super) async fn the_environment_is_clean_and_can_be_added_to(bench: &SubstrateBench) {
    let node = bench.node("primary").await;
    let output = run(&*node, &Command::new("env").env("PGAPPNAME", "a b=c")).await;
    let text = output.text();
    let mut names: Vec<_> = text.lines().filter_map(|line| line.split('=').next()).collect();
    names.sort_unstable();
    // What a substrate needs for itself may be there; nothing of the caller's may.
    names.retain(|name| !matches!(*name, "HOSTNAME" | "COMEBACK_EXEC" | "PWD"));
    for needed in ["HOME", "LANG", "LC_ALL", "PATH", "PGAPPNAME", "TZ"] {
        assert!(names.contains(&needed), "{needed} in {text}");
    }
    assert!(!text.contains("CARGO"), "{text}");
    assert!(text.contains("PGAPPNAME=a b=c\n") && text.contains("TZ=UTC\n"), "{text}");
    assert!(text.contains(&format!("HOME={}\n", node.dir())), "{text}");
    assert_ne!(printed(&*node, "id -u").await.trim(), "0");
}

pub(super) async fn the_folder_is_empty_private_and_writable(bench: &SubstrateBench) {
    let node = bench.node("primary").await;
    assert_eq!(printed(&*node, "ls -A; pwd").await.trim(), node.dir());
    assert_eq!(printed(&*node, "stat -c %a .").await.trim(), "700");
    assert_eq!(printed(&*node, "stat -c %u .").await, printed(&*node, "id -u").await);
    assert_ne!(printed(&*node, "stat -f -c %T .").await.trim(), "overlayfs");
    if let Endpoint::Unix { dir } = node.endpoint() {
        printed(&*node, &format!("touch {dir}/x && rm {dir}/x")).await;
    }
}

pub(super) async fn files_go_in_and_out(bench: &SubstrateBench) {
    let node = bench.node("primary").await;
    let content: Vec<u8> = (0..=255).collect();
    let mut source = content.as_slice();
    let io = Io { stdin: Some(&mut source), stdout: None };
    let output = node.exec(&sh("cat > 'a file'"), io).await.unwrap().success("write").unwrap();
    assert_eq!(output.stdout, b"");
    assert_eq!(run(&*node, &Command::new("cat").arg("a file")).await.stdout, content);
}

pub(super) async fn what_the_host_sees_of_a_node_is_what_is_in_it(bench: &SubstrateBench) {
    let node = bench.node("primary").await;
    printed(&*node, "umask 077; echo inside > note").await;
    let Some(path) = node.host_path(&format!("{}/note", node.dir())) else {
        assert!(matches!(node.endpoint(), Endpoint::Tcp { .. }), "a socket here means a folder here");
        return;
    };
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "inside\n");
    std::fs::write(&path, "outside\n").unwrap();
    assert_eq!(printed(&*node, "cat note").await, "outside\n");
}

/// Bytes that follow a rule and do not repeat within any block size that a copy could use.
struct Stream {
    at: u64,
    end: u64,
}

fn byte(at: u64) -> u8 {
    (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let take = (self.end - self.at).min(buf.remaining() as u64);
        let piece: Vec<u8> = (self.at..self.at + take).map(byte).collect();
        buf.put_slice(&piece);
        self.at += take;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, piece: &[u8]) -> Poll<io::Result<usize>> {
        let same = piece.iter().zip(self.at..).all(|(&one, at)| one == byte(at));
        assert!(same, "different bytes near {}", self.at);
        self.at += piece.len() as u64;
        Poll::Ready(Ok(piece.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

pub(super) async fn a_long_stream_passes_bit_for_bit(bench: &SubstrateBench) {
    const BYTES: u64 = 128 * 1024 * 1024 + 17;
    let node = bench.node("primary").await;
    let (mut source, mut sink) = (Stream { at: 0, end: BYTES }, Stream { at: 0, end: 0 });
    let io = Io { stdin: Some(&mut source), stdout: Some(&mut sink) };
    let output = node.exec(&Command::new("cat"), io).await.unwrap().success("cat").unwrap();
    assert_eq!((sink.at, output.stdout.len(), output.stderr.as_str()), (BYTES, 0, ""));
}

pub(super) async fn a_command_need_not_listen_to_the_end(bench: &SubstrateBench) {
    let node = bench.node("primary").await;
    let mut source = Stream { at: 0, end: u64::MAX };
    let io = Io { stdin: Some(&mut source), stdout: None };
    let output = node.exec(&sh("head -c 5 >/dev/null; echo enough; exit 4"), io).await.unwrap();
    assert_eq!((output.code, output.text().as_str()), (4, "enough\n"));

    // A source that has nothing to say and does not end must not hold up a command that does not care.
    let (_writer, mut silent) = tokio::io::duplex(16);
    let io = Io { stdin: Some(&mut silent), stdout: None };
    assert_eq!(node.exec(&sh("echo done"), io).await.unwrap().text(), "done\n");

    // One that still listens after it has closed its outputs gets everything.
    let mut source = Stream { at: 0, end: 1_000_000 };
    let io = Io { stdin: Some(&mut source), stdout: None };
    let late = sh("exec >/dev/null 2>&1; sleep 0.3; cat > late; exit 5");
    assert_eq!(node.exec(&late, io).await.unwrap().code, 5);
    assert_eq!(printed(&*node, "stat -c %s late").await.trim(), "1000000");
}

pub(super) async fn only_the_end_of_a_long_complaint_is_kept(bench: &SubstrateBench) {
    let node = bench.node("primary").await;
    let output = run(&*node, &sh("seq 1 200000 >&2")).await;
    assert!(
        output.stderr.len() <= 64 * 1024 && output.stderr.ends_with("\n200000\n"),
        "{}",
        output.stderr.len()
    );
}

/// A source that fails half-way.
struct Broken(bool);

impl AsyncRead for Broken {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(Err(io::Error::other("the disk is gone")));
        }
        buf.put_slice(b"a part");
        Poll::Ready(Ok(()))
    }
}

pub(super) async fn a_source_that_breaks_is_an_error(bench: &SubstrateBench) {
    let node = bench.node("primary").await;
    let mut source = Broken(false);
    let io = Io { stdin: Some(&mut source), stdout: None };
    let error = node.exec(&sh("cat > part; sleep 60"), io).await.unwrap_err();
    assert!(error.message().contains("the disk is gone"), "{error}");
}

pub(super) async fn a_dropped_command_is_killed(bench: &SubstrateBench) {
    let node = bench.node("primary").await;
    {
        let command = sh("sleep 4321 & sleep 4321");
        let endless = node.exec(&command, Io::default());
        tokio::pin!(endless);
        tokio::select! {
            _ = &mut endless => panic!("it ended"),
            () = await_sleepers(&*node, true) => {}
        }
    }
    await_sleepers(&*node, false).await;
}

/// Waits until programs that sleep for 4321 seconds exist, or are gone.
async fn await_sleepers(node: &dyn Node, wanted: bool) {
    wait::until("the sleepers", LIMIT, || async {
        let script = "grep -lz '^4321$' /proc/[0-9]*/cmdline 2>/dev/null; true";
        let mut found = Vec::new();
        for path in printed(node, script).await.lines() {
            let cwd = format!("readlink {} 2>/dev/null; true", path.replace("cmdline", "cwd"));
            if printed(node, &cwd).await.starts_with(node.dir()) {
                found.push(path.to_owned());
            }
        }
        if found.is_empty() == wanted { Err(format!("{found:?}")) } else { Ok(()) }
    })
    .await
    .unwrap();
}

pub(super) async fn a_server_starts_logs_stops_and_starts_again(bench: &SubstrateBench) {
    let node = bench.node("primary").await;
    assert!(!node.is_running().await.unwrap());
    assert!(node.stop(Signal::Term, LIMIT).await.is_err(), "there is nothing to stop");
    let server = sh(
        "trap 'echo int; exit' INT; trap 'echo term >&2; exit' TERM; echo up; while :; do sleep 0.02; done",
    );
    for (signal, lines) in [(Signal::Int, "up\nint\n"), (Signal::Term, "up\nint\nup\nterm\n")] {
        node.start(&server, "server.log").await.unwrap();
        await_log(&*node, "up").await;
        assert!(node.is_running().await.unwrap());
        node.stop(signal, LIMIT).await.unwrap();
        assert!(!node.is_running().await.unwrap());
        assert_eq!(printed(&*node, "cat server.log").await, lines);
    }
    node.start(&Command::new("true"), "server.log").await.unwrap();
    wait::until("a short server to end", LIMIT, || async {
        if node.is_running().await.unwrap() { Err("it runs".to_owned()) } else { Ok(()) }
    })
    .await
    .unwrap();
}

/// Waits until this is the last line of the log.
async fn await_log(node: &dyn Node, line: &str) {
    wait::until("a line in the log", LIMIT, || async {
        let last = printed(node, "tail -n 1 server.log").await;
        if last.trim() == line { Ok(()) } else { Err(last) }
    })
    .await
    .unwrap();
}

pub(super) async fn a_second_server_is_refused(bench: &SubstrateBench) {
    let node = bench.node("primary").await;
    node.start(&sh("sleep 100"), "log").await.unwrap();
    let error = node.start(&sh("sleep 100"), "log").await.unwrap_err();
    assert_eq!(error.message(), "a server runs in the node `primary` already");
    node.kill().await.unwrap();
    node.start(&sh("sleep 100"), "log").await.unwrap();
}

pub(super) async fn a_server_that_ignores_the_signal_is_reported(bench: &SubstrateBench) {
    let node = bench.node("primary").await;
    node.start(&sh("trap '' TERM; echo up; while :; do sleep 0.02; done"), "server.log").await.unwrap();
    await_log(&*node, "up").await;
    let error = node.stop(Signal::Term, Duration::from_millis(300)).await.unwrap_err();
    assert!(error.message().contains("waited 0.3 s for the server of the node `primary` to stop"), "{error}");
    assert!(node.is_running().await.unwrap());
}

pub(super) async fn killing_takes_everything_along_and_leaves_the_folder(bench: &SubstrateBench) {
    let node = bench.node("primary").await;
    node.kill().await.unwrap();
    // Children in sessions of their own, as PostgreSQL's are, and an orphan.
    let family = "setsid sh -c 'sleep 4321; :' & (setsid sleep 4321 &) ; touch kept; sleep 4321 & wait";
    node.start(&sh(family), "server.log").await.unwrap();
    await_sleepers(&*node, true).await;
    node.kill().await.unwrap();
    assert!(!node.is_running().await.unwrap());
    await_sleepers(&*node, false).await;
    assert_eq!(printed(&*node, "ls").await, "kept\nserver.log\n");
}

pub(super) async fn nodes_are_apart_and_their_names_unique(bench: &SubstrateBench) {
    let (one, other) = (bench.node("primary").await, bench.node("restored").await);
    assert_eq!((one.name(), other.name()), ("primary", "restored"));
    assert_ne!(one.endpoint(), other.endpoint());
    printed(&*one, "touch mine").await;
    assert_eq!(printed(&*other, "ls -A").await, "");
    let error = bench.substrate.create(&spec("primary")).await.map(|_| ()).unwrap_err();
    assert_eq!(error.message(), "there is a node named `primary` already");
    assert_eq!(printed(&*one, "ls").await, "mine\n", "the refusal did no harm");
    one.start(&sh("sleep 4321"), "log").await.unwrap();
    other.kill().await.unwrap();
    assert!(one.is_running().await.unwrap(), "a node's power cut is its own");
    one.remove().await.unwrap();
    assert_eq!(printed(&*bench.node("primary").await, "ls -A").await, "", "the name is free again");
    for bad in ["", "Primary", "../up", "a/b"] {
        assert_eq!(
            bench.substrate.create(&spec(bad)).await.map(|_| ()).unwrap_err().kind(),
            ErrorKind::Usage
        );
    }
}

pub(super) async fn removing_twice_is_no_error(bench: &SubstrateBench) {
    let node = bench.node("primary").await;
    printed(&*node, "mkdir -p deep/er && touch deep/er/x && chmod 0 deep").await;
    node.start(&sh("sleep 4321 & sleep 4321"), "log").await.unwrap();
    node.remove().await.unwrap();
    node.remove().await.unwrap();
    let error = node.exec(&Command::new("true"), Io::default()).await.unwrap_err();
    assert_eq!(error.message(), "the node `primary` has been removed");
    assert!(!node.is_running().await.unwrap());
    node.kill().await.unwrap();

    // A node that went with the rest of its run knows it, too.
    let node = bench.node("primary").await;
    node.start(&sh("sleep 4321"), "log").await.unwrap();
    bench.substrate.remove_all().await.unwrap();
    assert!(!node.is_running().await.unwrap());
    node.kill().await.unwrap();
    node.remove().await.unwrap();
}

pub(super) async fn programs_are_found_or_named(bench: &SubstrateBench) {
    let node = bench.node("primary").await;
    for program in ["initdb", "pg_basebackup", "cat"] {
        let path = node.find_program(program).await.unwrap();
        assert!(path.starts_with('/') && path.ends_with(program), "{path}");
        assert_eq!(run(&*node, &Command::new(path).arg("--version")).await.code, 0);
    }
    let error = node.find_program("redis-nonsense").await.unwrap_err();
    assert!(error.message().contains("`redis-nonsense`") && !error.hints().is_empty(), "{error}");
    assert!(!node.shell_hint().is_empty());
}
