//! Server errors that are caused by the environment and not by the backup: an older backup would not help.

use crate::error::Error;

/// Parts of a message, and what to do about it. Servers are started with English messages.
const BY_MESSAGE: &[(&[&str], &str)] = &[
    (
        &["extension \"", "\" is not available"],
        "install the package with this extension where the new server runs (with Docker: use an image that has it)",
    ),
    (
        &["could not access file \""],
        "install the package with this library where the new server runs (with Docker: use an image that has it)",
    ),
    (
        &["could not load library \""],
        "install the package with this library, for this version of PostgreSQL, where the new server runs",
    ),
    (
        &["could not map anonymous shared memory"],
        "this machine has less memory than the settings ask for: lower shared_buffers, or use a larger machine",
    ),
    (
        &["could not create shared memory segment"],
        "this machine has less memory than the settings ask for: lower shared_buffers, or use a larger machine",
    ),
    (
        &["in a read-only transaction"],
        "the server, the database or the role is set to default_transaction_read_only: set it to off for the restore",
    ),
    (
        &["cannot execute ", " during recovery"],
        "the server is a standby, or still replays its log: restore into one that accepts writes",
    ),
    (&["No space left on device"], "free some space, or restore onto a larger disk"),
    (&["out of shared memory"], "raise max_locks_per_transaction of the server, and start it again"),
    (
        &["directory \"", "\" does not exist"],
        "the export names a folder for a tablespace: create it, or take the export with --no-tablespaces",
    ),
    (&["invalid locale name"], "install the locale where the new server runs (Debian: locale-gen)"),
    (&["invalid LC_"], "install the locale where the new server runs (Debian: locale-gen)"),
];

/// SQLSTATE classes: insufficient resources, operator intervention, system error.
const BY_CLASS: [&str; 3] = ["53", "57", "58"];

/// What to do about an error of the environment; `None` if the backup may be at fault. `code` is the
/// SQLSTATE, if known.
pub(super) fn remedy(code: Option<&str>, message: &str) -> Option<&'static str> {
    let is_told = |words: &[&str]| words.iter().all(|word| message.contains(word));
    let by_message = BY_MESSAGE.iter().find(|(words, _)| is_told(words)).map(|(_, remedy)| *remedy);
    let by_class = || {
        let is_of_class = |code: &str| BY_CLASS.iter().any(|class| code.starts_with(class));
        code.filter(|code| is_of_class(code))
            .map(|_| "look into the server's log, mend what it says, and try again")
    };
    by_message.or_else(by_class)
}

/// The error, if the environment is at fault.
pub(super) fn error(doing: &str, code: Option<&str>, message: &str) -> Option<Error> {
    remedy(code, message).map(|remedy| Error::could_not_verify(format!("{doing}: {message}")).hint(remedy))
}

/// The first error of `pg_restore` with its details, but without the statement, which may be long. The last
/// lines would only say what became of its helpers.
pub(super) fn first_error(stderr: &str) -> Option<String> {
    let mut lines = stderr.lines().skip_while(|line| !line.contains("error: "));
    let first = lines.next()?;
    let first = first.split_once("error: ").map_or(first, |(_, error)| error);
    let details = lines.take_while(|line| {
        ["DETAIL:", "HINT:", "CONTEXT:", "LINE "].iter().any(|word| line.trim_start().starts_with(word))
    });
    Some(details.fold(first.to_owned(), |told, line| {
        // `LINE 1: …` refers to a text that the reader does not see.
        if line.starts_with("LINE ") { told } else { format!("{told} ({})", line.trim()) }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_machine_lacks_is_not_the_backups_fault() {
        for (code, message, word) in [
            (Some("0A000"), "extension \"postgis\" is not available", "extension"),
            (
                Some("58P01"),
                "could not access file \"$libdir/postgis-3\": No such file or directory",
                "library",
            ),
            (None, "FATAL:  could not map anonymous shared memory: Cannot allocate memory", "shared_buffers"),
            (Some("25006"), "cannot execute CREATE TABLE in a read-only transaction", "read_only"),
            (Some("53200"), "out of shared memory", "max_locks_per_transaction"),
            (Some("53100"), "could not extend file \"base/5/1\": No space left on device", "space"),
            (Some("58P01"), "directory \"/fast\" does not exist", "--no-tablespaces"),
            (Some("57P01"), "terminating connection due to administrator command", "log"),
        ] {
            assert!(remedy(code, message).is_some_and(|remedy| remedy.contains(word)), "{message}");
        }
        for (code, message) in [
            (Some("42P01"), "relation \"public.t\" does not exist"),
            (Some("22P02"), "invalid input syntax for type integer: \"x\""),
            (None, "FATAL:  could not locate a valid checkpoint record"),
            (None, "FATAL:  unexpected record during recovery"),
        ] {
            assert_eq!(remedy(code, message), None, "{message}");
        }
    }

    #[test]
    fn the_error_of_a_restore_is_told_and_not_its_last_lines() {
        let stderr = "pg_restore: while PROCESSING TOC:\n\
            pg_restore: from TOC entry 3341; 1259 16409 INDEX i postgres\n\
            pg_restore: error: could not execute query: ERROR:  function g(text) does not exist\n\
            LINE 1: select g($1)\n\
            HINT:  No function matches the given name.\n\
            QUERY:  select g($1)\n\
            Command was: CREATE INDEX i ON public.t USING btree (public.f(a));\n\n\n\
            pg_restore: error: a worker process died unexpectedly\n";
        assert_eq!(
            first_error(stderr).as_deref(),
            Some(
                "could not execute query: ERROR:  function g(text) does not exist (HINT:  No function matches the given name.)"
            )
        );
        assert_eq!(first_error("Killed\n"), None);
    }
}
