//! Checks whether a server holds the content to back up.

use std::time::Duration;

use comeback_engine::wait;
use comeback_error::{Error, Result};
use comeback_model::ReplicaOf;

use super::address::RedisAddress;
use super::client::{Info, RedisClient};
use super::target::refuse_sentinel;

/// How long the primary of a replica may take to say how far it is.
const PRIMARY_LIMIT: Duration = Duration::from_secs(3);

/// Where a snapshot comes from.
pub(super) struct Source {
    replica_of: Option<ReplicaOf>,
    /// The primary's replication id and offset when the backup began.
    primary: Option<(String, u64)>,
}

impl Source {
    /// Refuses a server that holds only a part of the content, or content of an unknown moment. The primary of a replica
    /// is asked how far it is.
    pub(super) async fn check(address: &RedisAddress, client: &RedisClient, server: &Info) -> Result<Self> {
        refuse_sentinel(server)?;
        let replication = client.info("replication").await?;
        let replica_of = check_source(&replication, &client.info("cluster").await?)?;
        let primary = match &replica_of {
            Some(_) => ask_primary(address, &replication).await,
            None => None,
        };
        Ok(Self { replica_of, primary })
    }

    /// What the manifest says of the primary, once it is known of which moment the snapshot is.
    pub(super) fn replica_of(self, replication_id: &str, offset: u64) -> Option<ReplicaOf> {
        let bytes_behind = self
            .primary
            .filter(|(id, _)| id == replication_id)
            .map(|(_, written)| written.saturating_sub(offset));
        self.replica_of.map(|replica_of| ReplicaOf { bytes_behind, ..replica_of })
    }
}

/// The primary's replication id and offset. `None` if it cannot be asked with the log-in of the replica: it may be
/// reached from the replica alone.
async fn ask_primary(replica: &RedisAddress, replication: &Info) -> Option<(String, u64)> {
    let port = replication.get("master_port")?.parse().ok()?;
    let primary = replica.beside(replication.get("master_host")?, port);
    let asked = wait::at_most("the primary", PRIMARY_LIMIT, async {
        let told = RedisClient::connect(&primary, 0).await?.info("replication").await?;
        let id = told.get("master_replid").unwrap_or_default().to_owned();
        Ok::<_, Error>((id, told.number("master_repl_offset")?))
    });
    asked.await.ok()?.ok()
}

/// For a replica that keeps up, returns its primary and how far it may be behind.
fn check_source(replication: &Info, cluster: &Info) -> Result<Option<ReplicaOf>> {
    if cluster.get("cluster_enabled") == Some("1") {
        return Err(Error::usage("the server is a node of a cluster, and holds a part of its keys only")
            .hint(
                "clusters are not supported: the snapshots of several nodes would be of different moments",
            ));
    }
    if replication.get("role") != Some("slave") {
        return Ok(None);
    }
    let told = |name| replication.get(name).unwrap_or("?");
    let (primary, link) =
        (format!("{}:{}", told("master_host"), told("master_port")), told("master_link_status"));
    if told("master_sync_in_progress") == "1" {
        return Err(Error::could_not_verify(format!(
            "the server is a replica that is receiving all data from its primary {primary}: what it holds is old"
        ))
        .hint("back up the primary, or wait until `INFO replication` says master_sync_in_progress:0"));
    }
    if link != "up" {
        let since = replication.get("master_link_down_since_seconds");
        let since = since.map_or(String::new(), |seconds| format!(", since {seconds} s"));
        return Err(Error::could_not_verify(format!(
            "the server is a replica whose link to its primary {primary} is not up{since}: what it holds is old"
        ))
        .hint("back up the primary, or wait until `INFO replication` says master_link_status:up"));
    }
    let seconds_behind = replication.number("master_last_io_seconds_ago")?;
    Ok(Some(ReplicaOf { primary, seconds_behind, link: Some(link.to_owned()), bytes_behind: None }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use comeback_error::ErrorKind;

    fn check(replication: &str, cluster: &str) -> Result<Option<ReplicaOf>> {
        check_source(&Info::parse(replication), &Info::parse(cluster))
    }

    fn replica(link: &str, is_syncing: u8) -> String {
        format!(
            "role:slave\r\nmaster_host:db\r\nmaster_port:6379\r\nmaster_last_io_seconds_ago:3\r\n\
             master_sync_in_progress:{is_syncing}\r\nmaster_link_status:{link}\r\n"
        )
    }

    #[test]
    fn only_whole_content_of_a_known_moment_is_backed_up() {
        let alone = "cluster_enabled:0\r\n";
        assert_eq!(check("role:master\r\nconnected_slaves:1\r\n", alone).unwrap(), None);
        let link = Some("up".to_owned());
        let expected =
            ReplicaOf { primary: "db:6379".to_owned(), seconds_behind: 3, link, bytes_behind: None };
        assert_eq!(check(&replica("up", 0), alone).unwrap(), Some(expected));
        for (replication, told) in [
            (
                replica("down", 0) + "master_link_down_since_seconds:77\r\n",
                "primary db:6379 is not up, since 77 s",
            ),
            (replica("down", 1), "receiving all data from its primary db:6379"),
        ] {
            let error = check(&replication, alone).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::CouldNotVerify);
            assert!(error.message().contains(told) && !error.hints().is_empty(), "{error}");
        }
        let error = check("role:master\r\n", "cluster_enabled:1\r\n").unwrap_err();
        assert!(
            error.kind() == ErrorKind::Usage && error.message().contains("a part of its keys"),
            "{error}"
        );
    }

    #[test]
    fn what_a_replica_lacks_is_counted_in_the_stream_of_its_primary() {
        let replica_of = check(&replica("up", 0), "").unwrap();
        let source = |primary| Source { replica_of: replica_of.clone(), primary };
        let behind = |primary| source(primary).replica_of("id", 100).unwrap().bytes_behind;
        assert_eq!(behind(Some(("id".to_owned(), 130))), Some(30));
        // Newer than what the primary said when the backup began.
        assert_eq!(behind(Some(("id".to_owned(), 90))), Some(0));
        // Another history, or nobody who says.
        assert_eq!([behind(Some(("other".to_owned(), 130))), behind(None)], [None, None]);
        assert_eq!(Source { replica_of: None, primary: None }.replica_of("id", 1), None);
    }
}
