//! Servers behind TLS are backed up and restored, and only the server that is meant.

use comeback_engine::repository::{LocalRepository, Repository as _};
use comeback_redis::RedisClient;
use redis::cmd;

use crate::kit::redis_bench::content;
use crate::kit::redis_process::{PASSWORD, RedisLab, certificates, free_port};
use crate::kit::require::or_skip;

#[tokio::test(flavor = "multi_thread")]
async fn a_server_behind_tls_is_backed_up_and_restored() {
    let Some(lab) = RedisLab::new() else { return };
    let made = if certificates::make(lab.path()) { Ok(()) } else { Err("no openssl") };
    let Some(()) = or_skip("local", made) else { return };
    let port = free_port();
    let dir = lab.path().display();
    let lines = format!(
        "port 0\ntls-port {port}\ntls-cert-file {dir}/server.crt\ntls-key-file {dir}/server.key\n\
         tls-ca-cert-file {dir}/root.crt\ntls-auth-clients yes\nrequirepass {PASSWORD}"
    );
    let _server = lab.server("server", &lines);
    let files = format!("cacert={dir}/root.crt&cert={dir}/client.crt&key={dir}/client.key");
    let url = format!("rediss://127.0.0.1:{port}?{files}");
    let client = RedisClient::connect(&lab.answering(&url).await, 0).await.unwrap();
    client.ask::<()>(cmd("SET").arg("balance").arg("17")).await.unwrap();
    // More than one record of TLS.
    client.ask::<()>(cmd("SET").arg("large").arg(vec![b'x'; 300_000])).await.unwrap();

    let (id, _) = lab.backup(&url, &[]);
    let repository = LocalRepository::open(&lab.path().join("backups")).await.unwrap();
    let manifest = repository.manifest(&id).await.unwrap();
    let server = content(&manifest).0.server.clone().unwrap();
    assert!(server.starts_with(&format!("rediss://127.0.0.1:{port} on ")), "{server}");
    // The same by the options of redis-cli.
    let bare = format!("rediss://127.0.0.1:{port}");
    let options = ["--cacert", "root.crt", "--cert", "client.crt", "--key", "client.key"];
    lab.backup(&bare, &options);

    client.ask::<()>(cmd("SET").arg("balance").arg("0")).await.unwrap();
    let restore = ["restore", "redis", &id, "--to", &bare, "--replace", &bare, "--substrate", "local"];
    let (code, told, wrong) = lab.comeback(&[&restore[..], &options].concat());
    assert!(code == Some(0) && told.contains("every one equal"), "{told}{wrong}");
    assert_eq!(client.ask::<String>(cmd("GET").arg("balance")).await.unwrap(), "17");

    let files = |cacert: &str, client: &str| {
        format!("cacert={dir}/{cacert}.crt&cert={dir}/{client}.crt&key={dir}/{client}.key")
    };
    let (good, other, stranger) =
        (files("root", "client"), files("other", "client"), files("root", "stranger"));
    for (url, code, told, hint) in [
        (bare.clone(), 3, "UnknownIssuer", "cacert"),
        (format!("{bare}?{other}"), 3, "UnknownIssuer", "other.crt now"),
        (format!("rediss://localhost:{port}?{good}"), 3, "not valid for name", "sni"),
        (format!("{bare}?{good}&sni=cache.test"), 3, "not valid for name", "sni"),
        (format!("{bare}?cacert={dir}/root.crt"), 3, "CertificateRequired", "cert and key"),
        (format!("{bare}?{stranger}"), 3, "UnknownCA", "does not trust the client's"),
        (format!("redis://127.0.0.1:{port}"), 3, "", "rediss://"),
        (format!("{bare}?cacert={dir}/nowhere.crt"), 2, "nowhere.crt: No such file", ""),
        (format!("{bare}?cacert={dir}/server.key"), 2, "no certificate in", "BEGIN CERTIFICATE"),
        (
            format!("{bare}?cacert={dir}/root.crt&cert={dir}/client.crt&key={dir}/root.key"),
            2,
            "is not the key",
            "belong",
        ),
    ] {
        let (found, _, wrong) = lab.comeback(&["backup", "redis", "--from", &url]);
        assert!(
            found == Some(code) && wrong.contains(told) && wrong.contains(hint),
            "{url}: {found:?} {wrong}"
        );
    }
    // The name of the certificate, for a host that is reached by another.
    lab.backup(&format!("rediss://localhost:{port}?{good}&sni=cache.example"), &[]);

    let mut expired = cmd("CONFIG");
    expired.arg("SET").arg("tls-cert-file").arg(format!("{dir}/expired.crt"));
    client.ask::<()>(expired.arg("tls-key-file").arg(format!("{dir}/expired.key"))).await.unwrap();
    let (code, _, wrong) = lab.comeback(&["backup", "redis", "--from", &format!("{bare}?{good}")]);
    assert!(code == Some(3) && wrong.contains("Expired") && wrong.contains("new certificate"), "{wrong}");
}
