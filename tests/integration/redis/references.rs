//! What keys and jobs name in other stores.

use comeback_redis::{find_addresses, read_list_jobs, read_stream_jobs};

use crate::kit::redis_bench::{RedisBench, ask};

/// A job is what the group has not acknowledged: what it was given, and what waits for it.
#[tokio::test]
async fn jobs_that_are_to_be_done_are_read_and_addresses_are_found_in_every_type() {
    let Some(bench) = RedisBench::local().await else { return };
    let (server, address) = (&bench.primary, bench.primary.address());
    for id in 1..=5 {
        let (entry, booking) = (format!("{id}-0"), format!("{}", id * 10));
        ask::<String>(server, &["XADD", "jobs", &entry, "kind", "paid", "booking", &booking]).await;
    }
    ask::<String>(server, &["XADD", "jobs", "6-0", "kind", "left"]).await;
    let jobs = async || read_stream_jobs(&address, "jobs", "workers", "booking").await.unwrap();
    assert_eq!(jobs().await.len(), 6, "there is no group yet");
    ask::<String>(server, &["XGROUP", "CREATE", "jobs", "workers", "0"]).await;
    ask::<redis::Value>(
        server,
        &["XREADGROUP", "GROUP", "workers", "w", "COUNT", "4", "STREAMS", "jobs", ">"],
    )
    .await;
    ask::<u64>(server, &["XACK", "jobs", "workers", "1-0", "3-0"]).await;
    ask::<u64>(server, &["XDEL", "jobs", "4-0"]).await;
    let job = |name: &str, booking: Option<&str>| (name.to_owned(), booking.map(str::to_owned));
    let open = [job("jobs 2-0", Some("20")), job("jobs 5-0", Some("50")), job("jobs 6-0", None)];
    assert_eq!(jobs().await, open);
    assert_eq!(read_stream_jobs(&address, "nothing", "workers", "booking").await.unwrap(), []);

    for mail in [r#"{"to":17}"#, r#"{"to":"18"}"#, "no JSON"] {
        ask::<u64>(server, &["RPUSH", "mails", mail]).await;
    }
    let mails = read_list_jobs(&address, "mails", "to").await.unwrap();
    assert_eq!(mails, [job("mails 0", Some("17")), job("mails 1", Some("18")), job("mails 2", None)]);

    let addresses = ["db-a.internal".to_owned()];
    assert_eq!(find_addresses(&address, &addresses).await.unwrap().traces, []);
    let text = "postgresql://db-a.internal/app";
    for command in [
        &["SET", "string", text][..],
        &["HSET", "hash", "url", text],
        &["HSET", "field", text, "1"],
        &["RPUSH", "list", "1", text],
        &["SADD", "set", text],
        &["ZADD", "zset", "1", text],
        &["XADD", "stream", "*", "url", text],
        &["SET", "db-a.internal", "1"],
    ] {
        ask::<redis::Value>(server, command).await;
    }
    let search = find_addresses(&address, &addresses).await.unwrap();
    let found: Vec<_> = search.traces.iter().filter_map(|trace| trace.key.as_deref()).collect();
    assert_eq!(
        found,
        ["db-a.internal", "field", "hash", "list", "set", "stream", "string", "zset"]
            .map(|key| format!("key={key}"))
    );
    assert!(search.traces.iter().all(|trace| trace.subject == "database 0"), "{search:?}");
    assert!(
        search.searched.ends_with(" databases of Redis") && search.not_looked_at.len() == 1,
        "{search:?}"
    );
    bench.end().await;
}
