//! Roles and their settings, out of a script of `pg_dumpall --roles-only`.

use tokio::io::AsyncRead;

use super::meaning::{altered_role, created_role};
use super::part::{Command, Part, Statement};
use super::script::Script;
use super::session::{Sessions, run};
use super::token::{Kind, Tokens};
use crate::error::{Context as _, Error, Result};
use crate::stores::postgres::RestoreFailure;
use crate::stores::postgres::server::PostgresServer;

/// Creates the roles of a script, and gives them their settings, passwords and memberships.
///
/// A new server has a role already: the one that we log in as. It is not created again, and keeps its own
/// password, or an old one would lock out whoever restores.
pub(in crate::stores::postgres) async fn import_roles(
    server: &PostgresServer,
    name: &str,
    script: impl AsyncRead + Unpin + Send,
) -> Result<(), RestoreFailure> {
    let mut script = Script::new(name, script);
    let mut connection = Sessions::of(server, "postgres").await?.take().await?;
    // Passwords are in there: what the server refuses must not come up in its log.
    let me: String = sqlx::raw_sql("set log_min_error_statement = 'panic'; select current_user::text")
        .fetch_one(&mut connection)
        .await
        .and_then(|row| sqlx::Row::try_get(&row, 0))
        .context("asking who we are")?;
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
        if created_role(statement.sql()).as_deref() == Some(&me) {
            continue;
        }
        let is_mine = altered_role(statement.sql()).as_deref() == Some(&me);
        let statement = if is_mine { without_password(&statement) } else { statement };
        run(&mut connection, name, &statement).await?;
    }
    super::super::content::close(connection).await;
    Ok(())
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
