//! What a restored server must log, and in which format, whatever its configuration says: recovery reads from
//! the log where it stopped, and a judge looks in it for errors.

/// Set on the command line, which overrides every configuration file. A database or a role may still set
/// `log_min_messages` for its own sessions; our sessions set it again, see `SESSION_SETTINGS`.
pub(crate) const LOG_SETTINGS: [(&str, &str); 8] = [
    ("logging_collector", "off"),
    ("log_destination", "stderr"),
    ("log_line_prefix", "%m [%p] "),
    ("lc_messages", "C"),
    // `fatal` and `panic` would hide warnings, errors, and the message where recovery stopped.
    ("log_min_messages", "warning"),
    ("log_min_error_statement", "error"),
    // `terse` leaves out who raised a warning; `verbose` puts a code before every message.
    ("log_error_verbosity", "default"),
    ("log_timezone", "UTC"),
];
