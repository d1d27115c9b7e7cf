//! Settings for servers that are thrown away: quicker, and after a crash of the machine their data would be lost.
//!
//! Not for servers whose time to recovery is judged: theirs are like those of production.

/// For every such server. No vacuum takes the processors from those who load and judge, and pages are written once.
const OF_ALL: [(&str, &str); 6] = [
    ("fsync", "off"),
    ("synchronous_commit", "off"),
    ("full_page_writes", "off"),
    ("autovacuum", "off"),
    ("checkpoint_timeout", "1h"),
    ("max_wal_size", "2GB"),
];

/// For one that a dump is loaded into. At the minimal level the rows of new tables and their indexes are not logged;
/// nothing may then stream the log.
const OF_LOADING: [(&str, &str); 4] = [
    ("wal_level", "minimal"),
    ("max_wal_senders", "0"),
    ("maintenance_work_mem", "128MB"),
    ("shared_buffers", "256MB"),
];

/// The settings of a server that recovers a copy of files.
pub(crate) fn for_recovery() -> impl Iterator<Item = (&'static str, String)> {
    OF_ALL.into_iter().map(|(name, value)| (name, value.to_owned()))
}

/// The settings of a server that a dump is loaded into.
pub(crate) fn for_loading() -> impl Iterator<Item = (&'static str, String)> {
    for_recovery().chain(OF_LOADING.into_iter().map(|(name, value)| (name, value.to_owned())))
}
