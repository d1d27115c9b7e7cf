//! Roles and their settings, from a script of `pg_dumpall --roles-only`.

use sqlx::PgConnection;
use tokio::io::AsyncRead;

use super::meaning::{altered_role, created_role};
use super::part::{Command, Part, Statement};
use super::script::Script;
use super::session::{Sessions, run};
use super::token::{Kind, Tokens};
use crate::RestoreFailure;
use crate::connection::address::SUPERUSER;
use crate::error::{Context as _, Error, Result};
use crate::server::node::PostgresServer;

/// Creates the roles of a script, with their settings, passwords and memberships.
///
/// A new server already has our login role. It is not created again and keeps its own password: the old
/// password would lock us out.
pub(crate) async fn import_roles(
    server: &PostgresServer,
    name: &str,
    script: impl AsyncRead + Unpin + Send,
) -> Result<(), RestoreFailure> {
    let mut script = Script::of_dump(name, script);
    let mut connection = Sessions::of(server, "postgres").await?.take().await?;
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
        if let Some(statement) = for_new_server(statement) {
            run(&mut connection, name, &statement).await?;
        }
    }
    crate::connection::session::close(connection).await;
    Ok(())
}

/// Stops the server from logging the statements that it refuses: they contain passwords.
pub(super) async fn hide_statements(connection: &mut PgConnection) -> Result<()> {
    sqlx::raw_sql("set log_min_error_statement = 'panic'")
        .execute(connection)
        .await
        .context("keeping passwords out of the server's log")
        .map(drop)
}

/// Adapts a statement about a role to a new server, where our login role exists and keeps its password.
/// Returns `None` if nothing is left to do.
pub(super) fn for_new_server(statement: Statement) -> Option<Statement> {
    if created_role(statement.sql()).as_deref() == Some(SUPERUSER) {
        return None;
    }
    let is_mine = altered_role(statement.sql()).as_deref() == Some(SUPERUSER);
    Some(if is_mine { without_password(&statement) } else { statement })
}

/// The statement without its `PASSWORD '…'`.
fn without_password(statement: &Statement) -> Statement {
    let sql = statement.sql();
    let mut tokens = Tokens::new(sql);
    let mut before = 0;
    while let Some((kind, token)) = tokens.next() {
        if kind == Kind::Word && token.eq_ignore_ascii_case(b"password") && tokens.next().is_some() {
            let rest = [&sql[..before], &sql[tokens.position()..]].concat();
            return Statement { raw: rest.into(), begins: 0, ..*statement };
        }
        before = tokens.position();
    }
    statement.clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_password_is_left_out() {
        for (sql, rest) in [
            (
                "ALTER ROLE a WITH LOGIN PASSWORD 'it''s PASSWORD' VALID UNTIL 'x';",
                "ALTER ROLE a WITH LOGIN VALID UNTIL 'x';",
            ),
            ("ALTER ROLE \"password\" WITH LOGIN;", "ALTER ROLE \"password\" WITH LOGIN;"),
        ] {
            let statement = Statement { line: 7, raw: sql.into(), begins: 0 };
            let without = without_password(&statement);
            assert_eq!((without.line, std::str::from_utf8(without.sql()).unwrap()), (7, rest));
        }
    }
}
