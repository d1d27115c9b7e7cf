//! Checks whether a server holds the content to back up.

use comeback_error::{Error, Result};
use comeback_model::ReplicaOf;

use super::client::Info;

/// Refuses a server that holds only a part of the content, or content of an unknown moment. For a replica
/// that keeps up, returns its primary and how far it may be behind.
pub(super) fn check_source(replication: &Info, cluster: &Info) -> Result<Option<ReplicaOf>> {
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
    let primary = format!("{}:{}", told("master_host"), told("master_port"));
    if told("master_link_status") != "up" || told("master_sync_in_progress") == "1" {
        let since = replication.get("master_link_down_since_seconds");
        let since = since.map_or(String::new(), |seconds| format!(", since {seconds} s"));
        return Err(Error::could_not_verify(format!(
            "the server is a replica whose link to its primary {primary} is not up{since}: what it holds is old"
        ))
        .hint("back up the primary, or wait until `INFO replication` says master_link_status:up"));
    }
    let seconds_behind = replication.number("master_last_io_seconds_ago")?;
    Ok(Some(ReplicaOf { primary, seconds_behind }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use comeback_error::ErrorKind;

    fn check(replication: &str, cluster: &str) -> Result<Option<ReplicaOf>> {
        check_source(&Info::parse(replication), &Info::parse(cluster))
    }

    #[test]
    fn only_whole_content_of_a_known_moment_is_backed_up() {
        let alone = "cluster_enabled:0\r\n";
        assert_eq!(check("role:master\r\nconnected_slaves:1\r\n", alone).unwrap(), None);
        let replica = "role:slave\r\nmaster_host:db\r\nmaster_port:6379\r\nmaster_last_io_seconds_ago:3\r\n\
                       master_sync_in_progress:0\r\nmaster_link_status:";
        let expected = ReplicaOf { primary: "db:6379".to_owned(), seconds_behind: 3 };
        assert_eq!(check(&format!("{replica}up\r\n"), alone).unwrap(), Some(expected));
        let broken = format!("{replica}down\r\nmaster_link_down_since_seconds:77\r\n");
        let error = check(&broken, alone).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CouldNotVerify);
        assert!(error.message().contains("primary db:6379 is not up, since 77 s"), "{error}");
        let error = check("role:master\r\n", "cluster_enabled:1\r\n").unwrap_err();
        assert!(
            error.kind() == ErrorKind::Usage && error.message().contains("a part of its keys"),
            "{error}"
        );
    }
}
