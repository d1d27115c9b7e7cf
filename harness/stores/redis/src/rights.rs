//! What a user of the server must be allowed to do.

use comeback_error::Error;

/// The rules of a user who can do all that a backup does, as `ACL SETUSER` takes them. A test holds them against a
/// server: with these a backup is made, and without any one of them it is refused.
pub const BACKUP_RULES: &[&str] = &["+info", "+time", "+psync", "+replconf", "+acl|users"];

/// The rules of a user onto whose server a backup is restored: those of a backup, and these.
pub const RESTORE_RULES: &[&str] = &[
    "~*",
    "+multi",
    "+exec",
    "+discard",
    "+select",
    "+config|get",
    "+dbsize",
    "+exists",
    "+set",
    "+del",
    "+restore",
    "+flushdb",
    "+swapdb",
    "+function|dump",
    "+function|restore",
];

/// The error for a user who may not do what was asked, if that is what the server said.
///
/// Redis says `NOPERM this user has no permissions to run the 'psync' command`, and `NOPERM this user has no permissions
/// to access one of the keys used as arguments`; Valkey and later versions name the user too. The driver writes `NoPerm`
/// where several commands were refused.
pub(super) fn lacking(user: &str, said: &str) -> Option<Error> {
    let words = said.to_lowercase();
    if !words.contains("noperm") && !words.contains("no permissions to") {
        return None;
    }
    let command = said.split_once("to run the '").and_then(|(_, rest)| rest.split_once('\''));
    let (may_not, rule) = match command {
        Some((command, _)) => {
            (format!("run {}", command.to_uppercase().replace('|', " ")), format!("+{command}"))
        }
        None => ("use every key".to_owned(), "~*".to_owned()),
    };
    Some(
        Error::could_not_verify(format!("the user {user} may not {may_not}"))
            .hint(format!("let it: ACL SETUSER {user} {rule}"))
            .hint("`comeback backup redis --help` and `comeback restore redis --help` list all that a user needs"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_that_is_lacking_is_named_in_every_server_s_words() {
        for (said, may_not, rule) in [
            ("NOPERM this user has no permissions to run the 'psync' command", "run PSYNC", "+psync"),
            (
                "NOPERM User me has no permissions to run the 'acl|users' command",
                "run ACL USERS",
                "+acl|users",
            ),
            (
                "NOPERM this user has no permissions to access one of the keys used as arguments",
                "use every key",
                "~*",
            ),
            (
                "Pipeline failures: [(Index 5, error: NoPerm: No permissions to access a key)]",
                "use every key",
                "~*",
            ),
        ] {
            let error = lacking("me", said).unwrap();
            assert_eq!(error.message(), format!("the user me may not {may_not}"));
            assert_eq!(error.hints()[0], format!("let it: ACL SETUSER me {rule}"));
        }
        assert!(lacking("me", "READONLY You can't write against a read only replica.").is_none());
    }
}
