//! What a restored server must write into its log, and in which form, whatever its configuration says: recovery reads
//! there where it stopped, and a judge whether anything is wrong.

/// Set on the command line, which counts more than every file of a cluster. A database or a role may still set
/// `log_min_messages` for its own sessions: ours set it again, see `SESSION_SETTINGS`.
pub(crate) const LOG_SETTINGS: [(&str, &str); 8] = [
    ("logging_collector", "off"),
    ("log_destination", "stderr"),
    ("log_line_prefix", "%m [%p] "),
    ("lc_messages", "C"),
    // `fatal` and `panic` hide warnings and errors, and where recovery stopped.
    ("log_min_messages", "warning"),
    ("log_min_error_statement", "error"),
    // `terse` leaves out who raised a warning, `verbose` puts a code before every message.
    ("log_error_verbosity", "default"),
    ("log_timezone", "UTC"),
];
