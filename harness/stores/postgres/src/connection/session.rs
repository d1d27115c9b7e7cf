//! Sessions whose answers hang on nothing that a server, a database or a role is set to.

use comeback_engine::wait;
use sqlx::{Connection as _, PgConnection};

use crate::error::{Context as _, Result};

/// What has to hold from the first statement on, and the version that it came with: a role's own limit of a
/// millisecond would end that one.
const AT_LOG_IN: [(&str, &str, u32); 7] = [
    // Compiling a query of the catalogue takes longer than answering it.
    ("jit", "off", 11),
    ("statement_timeout", "0", 9),
    ("lock_timeout", "0", 9),
    ("idle_in_transaction_session_timeout", "0", 9),
    ("idle_session_timeout", "0", 14),
    ("transaction_timeout", "0", 17),
    ("default_transaction_read_only", "off", 9),
];

/// The oldest major version that a server whose version is not known yet may have.
const OLDEST: u32 = 11;

/// The settings that a session of a server begins with, by its major version, if that is known.
pub(crate) fn at_log_in(major: Option<u32>) -> impl Iterator<Item = (&'static str, &'static str)> {
    let major = major.unwrap_or(OLDEST);
    AT_LOG_IN.into_iter().filter(move |(.., since)| major >= *since).map(|(name, value, _)| (name, value))
}

/// The same as client programs take them, in the variable `PGOPTIONS`.
pub(crate) fn client_options(major: u32) -> String {
    at_log_in(Some(major)).map(|(name, value)| format!("-c {name}={value}")).collect::<Vec<_>>().join(" ")
}

/// Names come out qualified, and values in one form, whatever the server's configuration says.
///
/// What is logged is only a superuser's to set, and only ours log in to servers whose log is judged.
///
/// In a database without an encoding (`SQL_ASCII`) the bytes are taken as they are: the server could not convert
/// them.
pub(crate) const SESSION_SETTINGS: &str = "set role none; set search_path = pg_catalog; set datestyle = 'ISO, YMD'; \
    set intervalstyle = 'postgres'; set extra_float_digits = 3; set timezone = 'UTC'; set bytea_output = 'hex'; \
    set lc_monetary = 'C'; set row_security = off; set quote_all_identifiers = off; \
    set standard_conforming_strings = on; set constraint_exclusion = partition; set client_min_messages = 'warning'; \
    select pg_catalog.set_config('log_min_messages', 'warning', false) \
        from pg_catalog.pg_roles where rolname = current_user and rolsuper; \
    select pg_catalog.set_config('client_encoding', 'SQL_ASCII', false) \
        where pg_catalog.current_setting('server_encoding') = 'SQL_ASCII'";

/// Where names come out qualified.
pub(crate) const PINNED_PATH: &str = "set search_path = pg_catalog";

/// Where the application's sessions find names: what the database is set to, or every role, or the server; not what
/// the role that we log in as is set to, which is nobody's application.
pub(crate) const APPLICATION_PATH: &str = "select pg_catalog.set_config('search_path', coalesce(
    (select substr(c.entry, length('search_path=') + 1)
        from pg_catalog.pg_db_role_setting s cross join lateral unnest(s.setconfig) c(entry)
        where s.setrole = 0 and c.entry like 'search\\_path=%'
          and s.setdatabase in (0, (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database()))
        order by s.setdatabase desc limit 1),
    (select f.setting from pg_catalog.pg_file_settings f where f.name = 'search_path' and f.error is null
        order by f.seqno desc limit 1),
    '\"$user\", public'), false)";

/// A statement that hangs ends by itself, and its error says that a timeout struck.
pub(crate) fn deadline() -> String {
    format!("set statement_timeout = {}", wait::limits().query.as_millis())
}

/// Changes what a session is set to.
pub(crate) async fn set(connection: &mut PgConnection, settings: &'static str) -> Result<()> {
    sqlx::raw_sql(settings).execute(connection).await.context("setting up the session").map(drop)
}

/// Closes a connection that has nothing left to do, so that the server logs no lost one.
pub(crate) async fn close(connection: PgConnection) {
    // The connection is gone either way.
    let _ = connection.close().await;
}
