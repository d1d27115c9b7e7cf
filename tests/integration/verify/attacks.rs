//! What a restored database may try, and what comes of it: a table of attacks by statements and by scripts.

use std::process::Output;
use std::time::Duration;

use comeback_engine::substrate::{DockerSettings, DockerSubstrate, RunIdentity, Scratch, Substrate};
use comeback_engine::wait;
use comeback_postgres::{RestoreFailure, import_sql, verify_structure};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, Row as _};

use crate::kit::cell_bench::CellBench;
use crate::kit::place::{Place, text};
use crate::kit::require::{local_is_here, or_skip};
use crate::kit::substrate_bench::{SubstrateBench, first_line, left_behind};
use crate::kit::substrates::TRIXIE;

/// How long a server may take to recover from a crash.
const LIMIT: Duration = Duration::from_mins(1);

/// Statements that a backup may hold, run as superuser, and what the last of them must come to.
struct Attack {
    name: &'static str,
    statements: &'static [&'static str],
    fate: Fate,
}

enum Fate {
    /// The server refuses it with a message that has this in it.
    Refused(&'static str),
    /// It goes through, and this is the answer.
    Answers(&'static str),
}
use Fate::{Answers, Refused};

const fn attack(name: &'static str, statements: &'static [&'static str], fate: Fate) -> Attack {
    Attack { name, statements, fate }
}

const ATTACKS: &[Attack] = &[
    attack(
        "a program that writes",
        &["copy (select 1) to program 'cat > {owned}'"],
        Refused("program \"cat"),
    ),
    attack(
        "a function that writes, called by an index",
        &[
            "create function pg_temp.g() returns void language plpgsql as $$ begin \
             execute 'copy (select 1) to program ''cat > {owned}'''; end $$",
            "create function pg_temp.f(i int) returns int immutable language plpgsql as $$ begin \
             perform pg_temp.g(); return i; end $$",
            "create temp table indexed (i int)",
            "insert into indexed values (1)",
            "create index on indexed (pg_temp.f(i))",
        ],
        Refused("program \"cat"),
    ),
    attack("a file of the server", &["copy (select 1) to '{owned}'"], Refused("could not open file")),
    attack(
        "an exported large object",
        &["select lo_from_bytea(16999, 'x')", "select lo_export(16999, '{owned}')"],
        Refused("could not create server file"),
    ),
    attack(
        "a secret of the machine",
        &["select pg_read_file('{dir}/secret')"],
        Refused("could not open file"),
    ),
    attack(
        "the passwords of the machine",
        &["select pg_read_file('/etc/shadow')"],
        Refused("Permission denied"),
    ),
    attack(
        "the folder of the machine's sockets",
        &["select count(*)::text from pg_ls_dir('{dir}')"],
        Refused("could not open directory"),
    ),
    attack("a library of the attacker's", &["load '{dir}/secret'"], Refused("could not")),
    attack(
        "a tablespace in the machine's folders",
        &["create tablespace t location '/etc'"],
        Refused("/etc"),
    ),
    attack("the rights of root", &["copy told from program 'chown 0 .'"], Refused("program")),
    attack(
        "no rights may be gained",
        &[
            "copy told from program 'grep NoNewPrivs /proc/self/status' (delimiter '|')",
            "select trim(replace(l, E'\\t', ' ')) from told",
        ],
        Answers("NoNewPrivs: 1"),
    ),
    attack("a signal to Comeback", &["copy told from program 'kill -9 {pid}'"], Refused("program")),
    attack(
        "a connection to the world",
        &[
            "create extension dblink schema public",
            "select public.dblink_connect('host=192.0.2.1 connect_timeout=5 user=x')",
        ],
        Refused("could not establish connection"),
    ),
    attack(
        "a connection to this machine",
        &["select public.dblink_connect('host=127.0.0.1 port={port} connect_timeout=5 user=x')"],
        Refused("could not establish connection"),
    ),
    attack(
        "a connection to a socket of this machine",
        &["select public.dblink_connect('host={dir} user=x')"],
        Refused("could not establish connection"),
    ),
    attack(
        "a foreign table",
        &[
            "create extension postgres_fdw schema public",
            "create server s foreign data wrapper postgres_fdw options (host '127.0.0.1', port '{port}')",
            "create user mapping for postgres server s options (user 'x', password 'x')",
            "create foreign table public.away (i int) server s",
            "select i::text from public.away",
        ],
        Refused("could not connect to server"),
    ),
    attack(
        "a subscription",
        &[
            "create subscription s connection 'host=127.0.0.1 port={port} user=x' publication p \
             with (connect = false, slot_name = none)",
            "alter subscription s set (slot_name = 's')",
            "alter subscription s enable",
            "select count(*)::text from pg_stat_activity where backend_type like 'logical%'",
        ],
        Answers("0"),
    ),
    attack(
        "an archive command",
        &[
            "alter system set archive_command = 'cat %p > {owned}'",
            "alter system set archive_mode = 'always'",
            "select pg_reload_conf()",
            "select pg_switch_wal()",
            "select current_setting('archive_mode') || current_setting('archive_command')",
        ],
        Answers("off(disabled)"),
    ),
    attack(
        "a library in every session",
        &[
            "alter database postgres set session_preload_libraries = 'no_such_library'",
            "alter role postgres set local_preload_libraries = 'no_such_library'",
            "select 'set'",
        ],
        Answers("set"),
    ),
    attack(
        "a trigger at every definition",
        &[
            "create function no() returns event_trigger language plpgsql as $$ begin raise 'no'; end $$",
            "create event trigger no on ddl_command_start execute function no()",
            "select 'set'",
        ],
        Answers("set"),
    ),
    attack(
        "a file that fills the disk",
        &["copy told from program 'truncate -s 60T fill'"],
        Refused("program"),
    ),
    attack("more memory than there is", &["select length(repeat('x', 1000000000))::text"], Refused("")),
    attack(
        "more processes than there may be",
        &["copy told from program 'for i in $(seq 300); do sleep 60 >/dev/null & done; echo all'"],
        Refused("program"),
    ),
];

/// Runs statements; returns the answer of the last one.
async fn run(connection: &mut PgConnection, bench: &CellBench, attack: &Attack) -> Result<String, String> {
    let mut answer = String::new();
    for statement in attack.statements {
        let statement = AssertSqlSafe(bench.aimed(statement));
        let row =
            connection.fetch_optional(sqlx::raw_sql(statement)).await.map_err(|error| error.to_string())?;
        answer = row.and_then(|row| row.try_get::<String, _>(0).ok()).unwrap_or_default();
    }
    Ok(answer)
}

async fn attacks_are_contained(bench: CellBench) {
    let mut surprises = Vec::new();
    for attack in ATTACKS {
        if attack.name == "a signal to Comeback" && !is_root() && !bench.is_in_container() {
            // What the cell of an ordinary user does not do, and says.
            continue;
        }
        // A new session each: it is what the next judge would open. After an attack on memory the server may have to
        // recover from a crash.
        let connect = async || bench.server.connect("postgres").await.map_err(|error| error.to_string());
        let mut connection = wait::until("the server to answer", LIMIT, connect).await.unwrap();
        connection.execute("create temp table told (l text)").await.ok();
        let came = run(&mut connection, &bench, attack).await;
        let is_as_wanted = match (&attack.fate, &came) {
            (Refused(why), Err(error)) => error.contains(why),
            (Answers(answer), Ok(came)) => came == answer,
            _ => false,
        };
        if !is_as_wanted {
            surprises.push(format!("{}: {came:?}", attack.name));
        }
        bench.assert_nothing_got_out(attack.name);
        let _ = connection.close().await;
        if attack.name == "a trigger at every definition" {
            // The judges' own definitions fire it no more.
            verify_structure(bench.server.address()).await.unwrap();
            connection_without_trigger(&bench).await;
        }
    }
    assert_eq!(surprises, [""; 0]);
    let (kind, run_id) = (bench.bench.substrate.kind(), bench.bench.run.run_id.clone());
    bench.bench.substrate.remove_all().await.unwrap();
    assert_eq!(left_behind(kind, &run_id), [""; 0]);
}

/// Drops the event trigger, which would refuse the attacks that follow.
async fn connection_without_trigger(bench: &CellBench) {
    let mut connection = bench.server.connect("postgres").await.unwrap();
    connection.execute("drop event trigger no").await.unwrap();
    if bench.server.major() >= 17 {
        let script = "create or replace function no() returns event_trigger language plpgsql as $$ begin raise 'no'; end $$; \
                      create event trigger no_log_in on login execute function no(); alter event trigger no_log_in enable always";
        connection.execute(script).await.unwrap();
        bench.server.connect("postgres").await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_server_cannot_reach_this_machine() {
    let Some(bench) = SubstrateBench::local(false).await else { return };
    let bench = CellBench::on(bench).await;
    scripts_are_refused(&bench).await;
    attacks_are_contained(bench).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_server_cannot_leave_its_container() {
    let run = RunIdentity::random(false).unwrap();
    let settings = DockerSettings { image: Some(TRIXIE.to_owned()) };
    let opened = DockerSubstrate::new(&run, &settings).await;
    let Some(substrate) = or_skip("docker", opened) else { return };
    let substrate: std::sync::Arc<dyn Substrate> = std::sync::Arc::new(substrate);
    attacks_are_contained(CellBench::on(SubstrateBench { substrate, run }).await).await;
}

fn is_root() -> bool {
    first_line("id", &["-u"]) == "0"
}

#[test]
fn a_restored_server_of_an_ordinary_user_cannot_reach_this_machine() {
    use std::os::unix::fs::PermissionsExt as _;
    if !is_root() || !local_is_here() {
        // Then the other test shows it.
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let program = folder.path().join("tests");
    // By another program: what this process has open for writing cannot be started.
    let copied =
        std::process::Command::new("cp").arg(std::env::current_exe().unwrap()).arg(&program).status();
    assert!(copied.unwrap().success());
    let test = "verify::attacks::a_restored_server_cannot_reach_this_machine";
    let output = std::process::Command::new("setpriv")
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        .arg(program)
        .args([test, "--exact"])
        .current_dir("/")
        .output()
        .unwrap();
    let report = text(&output.stdout);
    assert!(output.status.success(), "{report}\n{}", text(&output.stderr));
    assert!(report.contains(&format!("test {test} ... ok")), "{report}");
}

/// Lines of a script that psql would obey.
const COMMANDS: [&str; 11] = [
    "\\! touch {owned}",
    "\\copy (select 1) to program 'touch {owned}'",
    "\\copy (select 1) to '{owned}'",
    "\\i /etc/passwd",
    "\\ir ../../../etc/passwd",
    "\\o |touch {owned}",
    "\\w {owned}",
    "select 'touch {owned}' \\g |sh",
    "select 'copy (select 1) to program ''touch {owned}''' \\gexec",
    "\\lo_export 1 {owned}",
    "\\connect \"host=192.0.2.1 dbname=postgres\"",
];

async fn scripts_are_refused(bench: &CellBench) {
    for command in COMMANDS {
        let script = bench.aimed(&format!("create temp table before (i int);\n{command}\nselect 1;\n"));
        let failure =
            import_sql(&bench.server, "postgres", "script", script.as_bytes(), 2).await.unwrap_err();
        let RestoreFailure::Other(error) = failure else { panic!("{command}: {failure:?}") };
        assert!(
            error.message().contains("line 2") || error.message().contains("192.0.2.1"),
            "{command}: {error}"
        );
        bench.assert_nothing_got_out(command);
    }
    // What the importer keeps for itself: the folder of the run.
    let scratch = Scratch::create(false).unwrap();
    let own = scratch.path().join("own");
    std::fs::write(&own, "restored data").unwrap();
    let mut connection = bench.server.connect("postgres").await.unwrap();
    let read = sqlx::query("select pg_read_file($1)").bind(own.to_string_lossy().into_owned());
    assert!(read.execute(&mut connection).await.unwrap_err().to_string().contains("could not open file"));
}

/// A dump that does one more thing before it ends.
fn dump(extra: &str) -> String {
    format!(
        "-- PostgreSQL database dump\n\ncreate table t (id int primary key);\ncopy t (id) from stdin;\n1\n2\n\\.\n{extra}\n\
         -- PostgreSQL database dump complete\n"
    )
}

fn verify(place: &Place, dump: &str, args: &[&str]) -> Output {
    std::fs::write(place.work().join("app.sql"), dump).unwrap();
    let _ = std::fs::remove_dir_all(place.work().join("evidence"));
    place.as_it_is(&[&["verify", "app.sql", "--substrate", "local"], args].concat()).output().unwrap()
}

#[test]
fn a_dump_that_attacks_does_not_pass_and_one_that_only_could_does() {
    if !local_is_here() {
        return;
    }
    let place = Place::new();
    let owned = place.folder.path().join("owned");
    let attack = format!("copy (select 1) to program 'cat > {}';", owned.display());
    let output = verify(&place, &dump(&attack), &[]);
    assert_eq!(output.status.code(), Some(1), "{}{}", text(&output.stdout), text(&output.stderr));
    assert!(text(&output.stdout).contains("restored"), "{}", text(&output.stdout));
    assert!(!owned.exists());

    let trigger = "create function no() returns event_trigger language plpgsql as $$ begin raise 'no'; end $$;\n\
                   create event trigger no on ddl_command_start execute function no();";
    let output = verify(&place, &dump(trigger), &[]);
    assert_eq!(output.status.code(), Some(0), "{}{}", text(&output.stdout), text(&output.stderr));
    let report = place.report().to_string();
    assert!(report.contains("in a cell: no network") && report.contains("the restored data was removed"));

    let output = verify(&place, &dump(""), &["--uncontained"]);
    assert_eq!(output.status.code(), Some(0), "{}{}", text(&output.stdout), text(&output.stderr));
    assert!(place.report().to_string().contains("was not contained (--uncontained)"));
    assert_eq!(place.left_behind(), [""; 0]);
}
