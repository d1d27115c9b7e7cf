//! Servers read over encrypted connections, and servers that are not the ones that the address means.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command as Program;
use std::time::Duration;

use comeback_engine::substrate::{Command, Io};
use comeback_engine::wait;

use super::*;

/// Runs openssl in a folder.
fn openssl(folder: &Path, arguments: &str) -> Result<(), String> {
    let output = Program::new("openssl").current_dir(folder).args(arguments.split(' ')).output();
    let output = output.map_err(|error| error.to_string())?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

/// A root certificate, another one, and a certificate for 127.0.0.1 that the first one signed.
fn make_certificates(folder: &Path) -> Result<(), String> {
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2";
    for root in ["root", "other"] {
        openssl(folder, &format!("req -x509 {key} -subj /CN={root} -keyout {root}.key -out {root}.crt"))?;
    }
    openssl(folder, &format!("req {key} -subj /CN=server -keyout server.key -out server.csr"))?;
    std::fs::write(folder.join("names"), "subjectAltName=IP:127.0.0.1").map_err(|error| error.to_string())?;
    let sign = "x509 -req -in server.csr -CA root.crt -CAkey root.key -CAcreateserial -days 2 -extfile names";
    openssl(folder, &format!("{sign} -out server.crt"))
}

/// Puts a file of this machine into the node of a server.
async fn put(server: &PostgresServer, from: &Path, name: &str) {
    let content = std::fs::read(from.join(name)).unwrap();
    let mut content = content.as_slice();
    let command = Command::new("sh").args(["-c", "umask 077 && cat > \"$0\"", name]);
    let io = Io { stdin: Some(&mut content), stdout: None };
    server.node().exec(&command, io).await.unwrap().success("putting a file").unwrap();
}

/// Starts the server of a node on a port, with certificates; `PostgresServer` does not support them.
async fn start_with_tls(server: &PostgresServer, folder: &Path) -> u16 {
    for name in ["server.crt", "server.key"] {
        put(server, folder, name).await;
    }
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let settings = [
        ("listen_addresses", "127.0.0.1".to_owned()),
        ("port", port.to_string()),
        ("unix_socket_directories", String::new()),
        ("dynamic_shared_memory_type", "mmap".to_owned()),
        ("ssl", "on".to_owned()),
        ("ssl_cert_file", format!("{}/server.crt", server.node().dir())),
        ("ssl_key_file", format!("{}/server.key", server.node().dir())),
    ];
    let program = server.node().find_program("postgres").await.unwrap();
    let command = settings
        .iter()
        .fold(Command::new(program).args(["-D", &server.data_dir()]), |command, (name, value)| {
            command.args(["-c".to_owned(), format!("{name}={value}")])
        });
    server.node().start(&command, "tls.log").await.unwrap();
    port
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_read_encrypted_and_an_impostor_is_told() {
    let folder = tempfile::tempdir().unwrap();
    if require::or_skip("local", make_certificates(folder.path())).is_none() {
        return;
    }
    let Some(substrate) = substrates::local() else { return };
    let password = Secret::random().unwrap();
    let created = PostgresServer::create(&*substrate, "foreign", &password).await;
    let Some(server) = require::or_skip("local", created) else { return };
    server.init().await.unwrap();
    let port = start_with_tls(&server, folder.path()).await;
    let at = |host: &str, parameters: &str| {
        let root = folder.path().display();
        let url =
            format!("postgres://{host}:{port}/postgres?{}", parameters.replace("ROOT", &root.to_string()));
        PostgresAddress::parse(&url).unwrap().with_password(Some(password.clone()))
    };
    let verified = at("127.0.0.1", "sslmode=verify-full&sslrootcert=ROOT/root.crt");
    wait::until("the server to answer", Duration::from_mins(1), async || {
        verified.major().await.map_err(|error| error.to_string())
    })
    .await
    .unwrap();
    fill(&verified).await.unwrap();

    // Rows come by the driver where they are encrypted, and by our own connection where they are not.
    let plain = at("127.0.0.1", "sslmode=disable");
    read_in_every_way(&plain, &verified, &server.programs().talking_to(verified.clone())).await;
    let encrypted = "select ssl::int::int8 from pg_stat_ssl where pid = pg_backend_pid()";
    for (host, parameters, is_encrypted) in [
        ("127.0.0.1", "sslmode=verify-full&sslrootcert=ROOT/root.crt", 1),
        ("localhost", "sslmode=verify-ca&sslrootcert=ROOT/root.crt", 1),
        ("localhost", "sslmode=require", 1),
        ("localhost", "", 1),
        ("localhost", "sslmode=disable", 0),
    ] {
        let address = at(host, parameters);
        assert_eq!(count(&address, "postgres", encrypted).await.unwrap(), is_encrypted, "{address}");
    }
    for (host, parameters, hint) in [
        ("127.0.0.1", "sslmode=verify-full&sslrootcert=ROOT/other.crt", "other.crt"),
        ("127.0.0.1", "sslmode=verify-ca&sslrootcert=ROOT/other.crt", "other.crt"),
        ("127.0.0.1", "sslmode=require&sslrootcert=ROOT/other.crt", "other.crt"),
        ("127.0.0.1", "sslmode=verify-full", "sslrootcert"),
        (
            "localhost",
            "sslmode=verify-full&sslrootcert=ROOT/root.crt",
            "name the host as its certificate does",
        ),
    ] {
        let error = at(host, parameters).connect("postgres").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CouldNotVerify);
        assert!(error.message().contains("certificate"), "{parameters}: {error}");
        assert!(error.hints().iter().any(|told| told.contains(hint)), "{parameters}: {error}");
    }
    substrate.remove_all().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_tls_is_told_where_the_address_demands_it() {
    let Some(substrate) = substrates::docker(None).await else { return };
    let Some((server, _)) = require::or_skip("docker", server(&*substrate).await) else { return };
    let address = PostgresAddress::parse(&format!("{}?sslmode=require", written(&server))).unwrap();
    let error = address.connect(DATABASE).await.unwrap_err();
    assert!(error.to_string().contains("turn on `ssl`"), "{error}");
    substrate.remove_all().await.unwrap();
}
