//! Roles and their settings, from a script of `pg_dumpall --roles-only`.

use std::collections::BTreeSet;

use sqlx::PgConnection;
use tokio::io::AsyncRead;

use super::meaning::{altered_role, created_role, subject_role};
use super::part::{Command, Part, Statement};
use super::script::Script;
use super::session::{Sessions, run};
use super::token::{Kind, Tokens};
use crate::RestoreFailure;
use crate::connection::address::SUPERUSER;
use crate::error::{Context as _, Error, Result};
use crate::server::destination::Destination;

/// Creates the roles of a script, with their settings, passwords and memberships. Those in `present` stay as they are.
///
/// A new server already has our login role. It is not created again and keeps its own password: the old
/// password would lock us out.
pub(crate) async fn import_roles(
    server: &Destination,
    name: &str,
    script: impl AsyncRead + Unpin + Send,
    present: &BTreeSet<String>,
) -> Result<(), RestoreFailure> {
    let mut script = Script::of_dump(name, script);
    let mut connection = Sessions::of(server, server.address().database()).await?.take().await?;
    hide_statements(&mut connection).await?;
    while let Some(part) = script.next().await? {
        let statement = match part {
            Part::Statement(statement) => statement,
            Part::Rest(_) | Part::Command(Command::Restrict(_) | Command::Unrestrict(_), _) => continue,
            _ => {
                return Err(Error::could_not_verify(format!("{name} has more in it than roles"))
                    .hint("write it with `pg_dumpall --roles-only`")
                    .into());
            }
        };
        if subject_role(statement.sql()).is_some_and(|role| present.contains(&role)) {
            continue;
        }
        let is_new = present.is_empty();
        if let Some(statement) = if is_new { for_new_server(statement) } else { Some(statement) } {
            run(&mut connection, name, &statement).await?;
            if let Some(role) = created_role(statement.sql()) {
                server.created().add_role(role);
            }
        }
    }
    crate::connection::session::close(connection).await;
    Ok(())
}

/// Stops the server from logging the statements that it refuses: they contain passwords.
pub(super) async fn hide_statements(connection: &mut PgConnection) -> Result<()> {
    // Only a superuser may.
    let hide = "select pg_catalog.set_config('log_min_error_statement', 'panic', false) \
        from pg_catalog.pg_roles where rolname = current_user and rolsuper";
    sqlx::raw_sql(hide)
        .execute(connection)
        .await
        .context("keeping passwords out of the server's log")
        .map(drop)
}

/// Adapts a statement about a role to a new server, where our login role exists and keeps its rights and its password.
/// Returns `None` if nothing is left to do.
///
/// In the services of the clouds `postgres` is no superuser, and elsewhere it may be a role that cannot log in.
pub(super) fn for_new_server(statement: Statement) -> Option<Statement> {
    if created_role(statement.sql()).as_deref() == Some(SUPERUSER) {
        return None;
    }
    let is_mine = altered_role(statement.sql()).as_deref() == Some(SUPERUSER);
    Some(if is_mine { without_what_locks_out(statement) } else { statement })
}

/// The statement without the attributes that would keep us from the server or take our rights. Settings of the role
/// stay.
fn without_what_locks_out(statement: Statement) -> Statement {
    let sql = statement.sql();
    let (mut tokens, mut kept, mut from, mut before) = (Tokens::new(sql), Vec::new(), 0, 0);
    let (mut changed, mut has_attributes) = (false, false);
    while let Some((kind, token)) = tokens.next() {
        let word = if kind == Kind::Word { token.to_ascii_lowercase() } else { Vec::new() };
        has_attributes |= word == b"with";
        let values = match word.as_slice() {
            b"set" | b"reset" if !has_attributes => return statement,
            b"nosuperuser" | b"nologin" => Some(0),
            b"password" => Some(1),
            b"valid" => Some(2),
            // Its number may have a sign, which is a token of its own.
            b"connection" => Some(2 + usize::from(limit_has_sign(&sql[tokens.position()..]))),
            _ => None,
        };
        if let Some(values) = values.filter(|_| has_attributes) {
            for _ in 0..values {
                tokens.next();
            }
            kept.extend_from_slice(&sql[from..before]);
            from = tokens.position();
            changed = true;
        }
        before = tokens.position();
    }
    kept.extend_from_slice(&sql[from..]);
    if changed { Statement { raw: kept.into(), begins: 0, ..statement } } else { statement }
}

/// Whether ` LIMIT -1` follows.
fn limit_has_sign(rest: &[u8]) -> bool {
    let mut tokens = Tokens::new(rest);
    tokens.next();
    tokens.next().is_some_and(|(_, token)| token == b"-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_locks_us_out_is_left_out_and_nothing_else() {
        for (sql, rest) in [
            (
                "ALTER ROLE postgres WITH NOSUPERUSER INHERIT CREATEROLE NOLOGIN CONNECTION LIMIT -1 PASSWORD 'it''s PASSWORD' VALID UNTIL 'x';",
                "ALTER ROLE postgres WITH INHERIT CREATEROLE;",
            ),
            ("ALTER ROLE postgres WITH LOGIN CONNECTION LIMIT 7;", "ALTER ROLE postgres WITH LOGIN;"),
            (
                "ALTER ROLE postgres SET x TO 'with', nologin;",
                "ALTER ROLE postgres SET x TO 'with', nologin;",
            ),
            ("ALTER ROLE \"password\" WITH NOLOGIN;", "ALTER ROLE \"password\" WITH NOLOGIN;"),
        ] {
            let statement = Statement { line: 7, raw: sql.into(), begins: 0 };
            let changed = for_new_server(statement).unwrap();
            assert_eq!((changed.line, std::str::from_utf8(changed.sql()).unwrap()), (7, rest));
        }
    }
}
