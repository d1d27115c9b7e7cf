//! A backup in a bucket, encrypted and signed: taken, listed, verified and brought back by the commands.

use std::process::Command;

use comeback_secrets::make_identity;

use crate::kit::cloud_servers::{self as servers, KEY_ID, REGION, secret_key};
use crate::kit::redis_bench::{RedisBench, ask};
use crate::kit::require::or_skip;

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_and_signed_backup_in_a_bucket_comes_back() {
    let Some(server) = or_skip("clouds", servers::s3().await) else { return };
    let Some(bench) = RedisBench::local().await else { return };
    let (folder, from) = (bench.folder.path(), bench.primary.address().to_string());
    let openssl = |args: &[&str]| {
        assert!(
            Command::new("openssl").args(args).current_dir(folder).status().unwrap().success(),
            "{args:?}"
        );
    };
    openssl(&["genpkey", "-algorithm", "ed25519", "-out", "sign.pem"]);
    openssl(&["pkey", "-in", "sign.pem", "-pubout", "-out", "sign.pub.pem"]);
    let public = make_identity(&folder.join("key")).unwrap();
    let url = format!("s3://{}/prod", server.s3_bucket(false));
    let settings = |more: &str| {
        let text = format!(
            "[repository.main]\nurl = \"{url}\"\nappend-only = true\ntrusted-keys = [\"sign.pub.pem\"]\n{more}"
        );
        std::fs::write(folder.join("comeback.toml"), text).unwrap();
    };
    let run = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_comeback"));
        command.args(args).current_dir(folder).env("REDISCLI_AUTH", bench.password.expose());
        command.env("AWS_ENDPOINT_URL", server.endpoint()).env("AWS_REGION", REGION);
        command.env("AWS_ACCESS_KEY_ID", KEY_ID).env("AWS_SECRET_ACCESS_KEY", secret_key().expose());
        let output = command.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        assert!(!text.contains("AGE-SECRET") && !text.contains("PRIVATE KEY"), "{text}");
        (output.status.code(), text)
    };
    settings("");
    let (code, told) = run(&["backup", "list"]);
    assert!(code == Some(2) && told.contains(&format!("there is no repository in {url}")), "{told}");
    settings(&format!("sign-key-file = \"sign.pem\"\nrecipients = [\"{public}\"]\n"));
    let (code, told) = run(&["backup", "redis", "--from", &from]);
    assert_eq!(code, Some(0), "{told}");
    let id = told.split_whitespace().nth(1).unwrap().to_owned();
    let (code, told) = run(&["doctor", "--substrate", "local"]);
    let looked = format!("✓ repository {url}: lists 1 backup, none of them read");
    assert!(code == Some(0) && told.contains(&looked) && told.contains("append-only"), "{told}");
    for refused in
        [&["clean", "--repository", &url][..], &["backup", "redis", "--from", &from, "--keep-days", "7"]]
    {
        let (code, told) = run(refused);
        assert!(code == Some(2) && told.contains("it is append-only"), "{refused:?}: {told}");
    }

    // The machine that takes backups cannot read them; another one can.
    let back = ["restore", "redis", &id, "--to", &from, "--replace", &from, "--substrate", "local"];
    let (code, told) = run(&back);
    assert!(code == Some(3) && told.contains("is encrypted") && told.contains("--identity"), "{told}");
    ask::<()>(&bench.primary, &["SET", "cache-generation", "damaged"]).await;
    let (code, told) = run(&[&back[..], &["--identity", "key"]].concat());
    assert!(code == Some(0) && told.contains(&format!("{id} is signed by sign.pub.pem")), "{told}");
    assert_eq!(ask::<String>(&bench.primary, &["GET", "cache-generation"]).await, "41");
    settings("identity = [\"key\"]\n");
    let (code, told) = run(&["verify", &url, "--substrate", "local", "--require", "exact"]);
    assert!(code == Some(0) && told.contains("provenance"), "{told}");
    bench.end().await;
}
