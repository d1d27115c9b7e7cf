//! Locales of the operating system that a backup needs, and those of the place where it will be restored.

use std::collections::BTreeSet;

use comeback_engine::artefact::Lack;
use comeback_engine::substrate::{Command, Io};

use crate::error::{Context as _, Result};
use crate::server::node::PostgresServer;

/// The locales of a node, as [`locale_key`] writes them; `None` if that could not be found out.
pub(super) async fn installed(server: &PostgresServer) -> Result<Option<BTreeSet<String>>> {
    let ask = Command::new("sh").args(["-c", "locale -a 2>/dev/null"]);
    let output = server.node().exec(&ask, Io::default()).await.context("looking at the node")?;
    Ok((output.code == 0).then(|| output.text().lines().map(locale_key).collect()))
}

/// What is missing of the wanted locales, each given with what uses it.
pub(super) fn lack<'a>(
    wanted: impl IntoIterator<Item = (&'a str, &'a str)>,
    installed: &BTreeSet<String>,
) -> Option<Lack> {
    let missing = wanted.into_iter().filter(|(name, _)| !installed.contains(&locale_key(name)));
    let names: Vec<_> = missing.map(|(name, user)| format!("{name} (of {user})")).collect();
    let count = if names.len() == 1 { "1 locale".to_owned() } else { format!("{} locales", names.len()) };
    let remedy =
        "install them where the new server runs: on Debian, name them in /etc/locale.gen and run locale-gen";
    (!names.is_empty())
        .then(|| Lack { what: format!("{count}: {}", names.join(", ")), remedy: remedy.to_owned() })
}

/// A locale's name without its variants of writing: `en_US.UTF-8` and `en_US.utf8` are one.
fn locale_key(name: &str) -> String {
    let name = name.trim();
    match name.split_once('.') {
        Some((language, encoding)) => {
            let plain: String = encoding.chars().filter(|character| *character != '-').collect();
            format!("{language}.{}", plain.to_lowercase())
        }
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locale_is_found_however_it_is_written() {
        let installed: BTreeSet<_> = ["C", "en_US.utf8"].map(locale_key).into();
        let wanted = [("en_US.UTF-8", "database app"), ("en_US", "database old"), ("C", "database c")];
        assert_eq!(lack(wanted, &installed).unwrap().what, "1 locale: en_US (of database old)");
        assert_eq!(lack([("en_US.UTF8", "database app")], &installed), None);
    }
}
