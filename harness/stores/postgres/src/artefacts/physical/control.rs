//! What an unpacked cluster says of itself: its control file and its backup label.

use comeback_engine::substrate::Io;
use comeback_model::{Finding, FindingCode, Lsn};

use crate::RestoreFailure;
use crate::recovery::settings::{Settings, parse_copied};
use crate::server::node::PostgresServer;

/// The control file of a cluster, as `pg_controldata` prints it.
pub(super) struct Control {
    /// The system identifier.
    pub(super) system_identifier: String,
    /// Whether the server was shut down before the files were copied.
    pub(super) was_stopped: bool,
    /// The timeline of its newest checkpoint.
    pub(super) timeline: u32,
    /// Where replay begins after a crash.
    pub(super) redo_lsn: Lsn,
    /// The size of its log segments, in bytes.
    pub(super) segment_bytes: u64,
    /// Whether its pages have checksums.
    pub(super) has_checksums: bool,
    /// Settings that a server on these files must share with the one that wrote them.
    pub(super) settings: Settings,
}

/// Reads the control file of a server that was never started.
pub(super) async fn read_control(server: &PostgresServer) -> Result<Control, RestoreFailure> {
    let command = server.command("pg_controldata").args(["-D", &server.data_dir()]).env("LC_ALL", "C");
    let output = server.node().exec(&command, Io::default()).await?;
    let text = output.text();
    // A wrong checksum is a warning on the standard output, and the exit code is 0.
    let warning = text.lines().chain(output.stderr.lines()).find(|line| {
        ["WARNING: ", "error: "].iter().any(|word| line.contains(word)) && !line.trim().is_empty()
    });
    match parse_control(&text) {
        Some(control) if warning.is_none() && output.code == 0 => Ok(control),
        _ => {
            let said = warning.unwrap_or("no control file that pg_controldata can read");
            let file = "global/pg_control";
            Err(Finding::new(FindingCode::BackupDamaged, file, "the control file of a cluster", said)
                .remedy("restore another backup: without this file no server starts")
                .into())
        }
    }
}

/// The labels are those of `pg_controldata` from PostgreSQL 13 to 17.
fn parse_control(text: &str) -> Option<Control> {
    let find = |label: &str| text.lines().find_map(|line| line.strip_prefix(label)).map(str::trim);
    Some(Control {
        system_identifier: find("Database system identifier:")?.to_owned(),
        was_stopped: find("Database cluster state:")?.starts_with("shut down"),
        timeline: find("Latest checkpoint's TimeLineID:")?.parse().ok()?,
        redo_lsn: find("Latest checkpoint's REDO location:")?.parse().ok()?,
        segment_bytes: find("Bytes per WAL segment:")?.parse().ok().filter(|bytes| *bytes > 0)?,
        has_checksums: find("Data page checksum version:")? != "0",
        settings: parse_copied(text),
    })
}

/// The file `backup_label` of a base backup. Source: `build_backup_content` in PostgreSQL's xlogbackup.c.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Label {
    /// Where replay begins.
    pub(super) start_lsn: Lsn,
    /// The timeline there.
    pub(super) timeline: u32,
    /// When the backup began, if its time zone is UTC: others are abbreviations without one meaning.
    pub(super) started_at: Option<jiff::Timestamp>,
    /// The position of the backup that this one adds to, from PostgreSQL 17 on.
    pub(super) incremental_from: Option<Lsn>,
}

impl Label {
    /// Reads the file; `None` if it does not say where replay begins.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let find = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        let lsn = |name| find(name)?.split_whitespace().next()?.parse().ok();
        let started_at = find("START TIME").and_then(|at| {
            let at = at.trim().strip_suffix(" UTC").or_else(|| at.trim().strip_suffix(" GMT"))?;
            format!("{}Z", at.replacen(' ', "T", 1)).parse().ok()
        });
        Some(Self {
            start_lsn: lsn("START WAL LOCATION")?,
            timeline: find("START TIMELINE")?.trim().parse().ok()?,
            started_at,
            incremental_from: lsn("INCREMENTAL FROM LSN"),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LABEL: &str = "START WAL LOCATION: 0/4000028 (file 000000010000000000000004)\n\
        CHECKPOINT LOCATION: 0/4000060\nBACKUP METHOD: streamed\nBACKUP FROM: primary\n\
        START TIME: 2026-11-30 13:04:18 UTC\nLABEL: nightly\nSTART TIMELINE: 1\n";

    #[test]
    fn a_label_says_where_replay_begins() {
        let label = Label::parse(LABEL).unwrap();
        assert_eq!((label.start_lsn, label.timeline), (Lsn(0x400_0028), 1));
        assert_eq!(label.started_at, Some("2026-11-30T13:04:18Z".parse().unwrap()));
        assert_eq!(label.incremental_from, None);
        let incremental = format!("{LABEL}INCREMENTAL FROM LSN: 0/2000028\nINCREMENTAL FROM TLI: 1\n");
        assert_eq!(Label::parse(&incremental).unwrap().incremental_from, Some(Lsn(0x200_0028)));
        let elsewhere = LABEL.replace("UTC", "IST");
        assert_eq!(Label::parse(&elsewhere).unwrap().started_at, None);
        assert_eq!(Label::parse("LABEL: nightly\n"), None);
    }

    #[test]
    fn a_control_file_is_read() {
        let text = "Database system identifier:           7713949544375504477\n\
            Database cluster state:               in production\nLatest checkpoint's TimeLineID:       2\n\
            Latest checkpoint's REDO location:    0/6002ED0\n\
            max_connections setting:              70\nBytes per WAL segment:                16777216\n\
            Data page checksum version:           0\n";
        let control = parse_control(text).unwrap();
        assert_eq!(control.system_identifier, "7713949544375504477");
        assert!(!control.was_stopped && !control.has_checksums);
        assert_eq!((control.timeline, control.segment_bytes), (2, 16 << 20));
        assert_eq!(control.settings, [("max_connections", "70".to_owned())]);
        assert!(parse_control("pg_controldata: error").is_none());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(START WAL LOCATION|START TIMELINE|START TIME|: |[0-9/ ]|\n|.){0,40}") {
            let _ = Label::parse(&text);
        }
    }
}
