//! Sessions whose answers do not depend on the settings of the server, database or role.

use comeback_engine::wait;
use sqlx::{Connection as _, PgConnection};

use crate::error::{Context as _, Result};

/// Settings that must apply from the first statement on, each with the version that introduced it. For
/// example, a role's own `statement_timeout` of 1 ms would end that first statement.
const AT_LOG_IN: [(&str, &str, u32); 7] = [
    // Compiling a catalogue query takes longer than answering it.
    ("jit", "off", 11),
    ("statement_timeout", "0", 9),
    ("lock_timeout", "0", 9),
    ("idle_in_transaction_session_timeout", "0", 9),
    ("idle_session_timeout", "0", 14),
    ("transaction_timeout", "0", 17),
    ("default_transaction_read_only", "off", 9),
];

/// Further settings for servers of our own, where we log in as superuser. They keep code that a backup brought along
/// out of our sessions: event triggers, also those that fire at a log-in, and libraries that a database or a role
/// loads. Until version 17 no setting turns event triggers off; they fire only at statements that change definitions.
const OF_OURS: [(&str, &str, u32); 3] =
    [("session_preload_libraries", "", 9), ("local_preload_libraries", "", 9), ("event_triggers", "off", 17)];

/// The oldest major version that a server of unknown version can have.
const OLDEST: u32 = 11;

/// The settings that a session begins with. They depend on the server's major version, if it is known, and on whether
/// it is one of ours.
pub(crate) fn at_log_in(
    major: Option<u32>,
    is_ours: bool,
) -> impl Iterator<Item = (&'static str, &'static str)> {
    let major = major.unwrap_or(OLDEST);
    let of_ours = OF_OURS.into_iter().filter(move |_| is_ours);
    AT_LOG_IN
        .into_iter()
        .chain(of_ours)
        .filter(move |(.., since)| major >= *since)
        .map(|(name, value, _)| (name, value))
}

/// The same settings for client programs, as the value of `PGOPTIONS`.
pub(crate) fn client_options(major: u32, is_ours: bool) -> String {
    at_log_in(Some(major), is_ours)
        .map(|(name, value)| format!("-c {name}={value}"))
        .collect::<Vec<_>>()
        .join(" ")
}

/// Names come out qualified and values in one format, whatever the server's configuration says.
///
/// Only a superuser can set what is logged. Comeback logs in as superuser only to servers whose log is
/// judged.
///
/// In a database without an encoding (`SQL_ASCII`) the bytes are read as they are: the server cannot convert
/// them.
pub(crate) const SESSION_SETTINGS: &str = "set role none; set search_path = pg_catalog; set datestyle = 'ISO, YMD'; \
    set intervalstyle = 'postgres'; set extra_float_digits = 3; set timezone = 'UTC'; set bytea_output = 'hex'; \
    set lc_monetary = 'C'; set row_security = off; set quote_all_identifiers = off; \
    set standard_conforming_strings = on; set constraint_exclusion = partition; set client_min_messages = 'warning'; \
    select pg_catalog.set_config('log_min_messages', 'warning', false) \
        from pg_catalog.pg_roles where rolname = current_user and rolsuper; \
    select pg_catalog.set_config('client_encoding', 'SQL_ASCII', false) \
        where pg_catalog.current_setting('server_encoding') = 'SQL_ASCII'";

/// The search path under which names come out qualified.
pub(crate) const PINNED_PATH: &str = "set search_path = pg_catalog";

/// Sets the search path of the application's sessions: that of the database, or of all roles, or of the
/// server. The path of our own login role is ignored, because no application uses that role.
pub(crate) const APPLICATION_PATH: &str = "select pg_catalog.set_config('search_path', coalesce(
    (select substr(c.entry, length('search_path=') + 1)
        from pg_catalog.pg_db_role_setting s cross join lateral unnest(s.setconfig) c(entry)
        where s.setrole = 0 and c.entry like 'search\\_path=%'
          and s.setdatabase in (0, (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database()))
        order by s.setdatabase desc limit 1),
    (select f.setting from pg_catalog.pg_file_settings f where f.name = 'search_path' and f.error is null
        order by f.seqno desc limit 1),
    '\"$user\", public'), false)";

/// The statement that sets the limit: a later statement that hangs then fails with a timeout error.
pub(crate) fn deadline() -> String {
    format!("set statement_timeout = {}", wait::limits().query.as_millis())
}

/// Changes settings of a session.
pub(crate) async fn set(connection: &mut PgConnection, settings: &'static str) -> Result<()> {
    sqlx::raw_sql(settings).execute(connection).await.context("setting up the session").map(drop)
}

/// Closes an idle connection, so that the server does not log a lost one.
pub(crate) async fn close(connection: PgConnection) {
    // The connection is closed in any case.
    let _ = connection.close().await;
}
