//! The settings for recovery.

use comeback_engine::substrate::Io;
use comeback_model::{RecoveryPoint, RecoveryTarget, TimelineHistory};

use crate::error::Result;
use crate::log::feed::RESTORE_COMMAND;
use crate::server::node::PostgresServer;

/// What the server does when it has reached the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtTarget {
    /// Waits, read-only, for inspection. [`promote`](crate::promote) opens it. At the end of the log there is
    /// nothing to wait for, and the server opens.
    Pause,
    /// Opens for writes, on a new timeline.
    Promote,
}

/// Settings that must be at least those of the server that wrote the log, because this server answers reads
/// while it replays: the labels in `pg_controldata` and the names of the settings.
const AT_LEAST: [(&str, &str); 6] = [
    ("max_connections setting:", "max_connections"),
    ("max_worker_processes setting:", "max_worker_processes"),
    ("max_wal_senders setting:", "max_wal_senders"),
    ("max_prepared_xacts setting:", "max_prepared_transactions"),
    ("max_locks_per_xact setting:", "max_locks_per_transaction"),
    ("track_commit_timestamp setting:", "track_commit_timestamp"),
];

/// The settings that name a target. The server accepts only one of them.
const TARGETS: [&str; 5] = [
    "recovery_target",
    "recovery_target_name",
    "recovery_target_time",
    "recovery_target_xid",
    "recovery_target_lsn",
];

pub(crate) type Settings = Vec<(&'static str, String)>;

/// The settings that the restored server must share with the lost one. They are read from the control file,
/// because the lost server's command line is not available.
pub(crate) async fn copied_settings(server: &PostgresServer) -> Result<Settings> {
    let command = server.command("pg_controldata").args(["-D", &server.data_dir()]);
    let output = server.node().exec(&command, Io::default()).await?.success("reading the control file")?;
    Ok(parse_copied(&output.text()))
}

pub(crate) fn parse_copied(control: &str) -> Settings {
    let find = |label: &str| control.lines().find_map(|line| line.strip_prefix(label));
    AT_LEAST.iter().filter_map(|(label, name)| Some((*name, find(label)?.trim().to_owned()))).collect()
}

/// The settings for the source of the log, the target, and the action at the target. Targets from
/// configuration files in the data directory, left by an earlier recovery, are reset first: the server
/// refuses two targets.
pub(crate) fn target_settings(
    target: &RecoveryTarget,
    history: &TimelineHistory,
    at_target: AtTarget,
) -> Settings {
    let action = match at_target {
        AtTarget::Pause => "pause",
        AtTarget::Promote => "promote",
    };
    // Without a history, the timeline is that of the backup.
    let has_history = !history.left.is_empty();
    let timeline = if has_history { history.timeline.to_string() } else { "current".to_owned() };
    let mut settings: Settings = TARGETS.map(|name| (name, String::new())).to_vec();
    settings.extend(point_setting(&target.point));
    settings.extend([
        ("restore_command", RESTORE_COMMAND.to_owned()),
        ("recovery_target_inclusive", if target.inclusive { "on" } else { "off" }.to_owned()),
        ("recovery_target_timeline", timeline),
        ("recovery_target_action", action.to_owned()),
        ("hot_standby", "on".to_owned()),
    ]);
    settings
}

/// The setting for a target point. A time is given in UTC with its offset, because the server would otherwise
/// use its own time zone.
fn point_setting(point: &RecoveryPoint) -> Option<(&'static str, String)> {
    Some(match point {
        RecoveryPoint::Latest => return None,
        RecoveryPoint::Immediate => ("recovery_target", "immediate".to_owned()),
        RecoveryPoint::Name(name) => ("recovery_target_name", name.clone()),
        RecoveryPoint::Time(at) => {
            ("recovery_target_time", at.strftime("%Y-%m-%d %H:%M:%S%.6f+00").to_string())
        }
        RecoveryPoint::Xid(xid) => ("recovery_target_xid", xid.to_string()),
        RecoveryPoint::Lsn(lsn) => ("recovery_target_lsn", lsn.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_given_in_utc_to_the_microsecond() {
        let at = "2026-11-22T05:41:00.000001Z".parse().unwrap();
        let setting = point_setting(&RecoveryPoint::Time(at)).unwrap();
        assert_eq!(setting, ("recovery_target_time", "2026-11-22 05:41:00.000001+00".to_owned()));
    }

    #[test]
    fn what_the_control_file_says_is_copied() {
        let control = "max_connections setting:              100\nmax_prepared_xacts setting:           7\n\
            track_commit_timestamp setting:       on\nMaximum data alignment:               8\n";
        let copied = [
            ("max_connections", "100".to_owned()),
            ("max_prepared_transactions", "7".to_owned()),
            ("track_commit_timestamp", "on".to_owned()),
        ];
        assert_eq!(parse_copied(control), copied);
    }
}
