//! One damage of the table, and how its verification is judged.

use std::collections::BTreeMap;
use std::path::Path;

use comeback_model::Statement;

use crate::kit::verify::{Verified, standing};

/// A damage to a backup, and who finds it.
pub(crate) struct Row {
    /// What is wrong.
    pub(crate) name: &'static str,
    /// The backup that is damaged.
    pub(crate) of: &'static str,
    /// What is done.
    pub(crate) does: Does,
    /// Everything that finds it. If nothing does it passes, and nothing is claimed.
    pub(crate) found: &'static [Found],
}

/// What is done to a copy of the intact backup.
pub(crate) enum Does {
    /// The bytes of its only file are changed.
    Bytes(fn(&mut Vec<u8>)),
    /// Its folder is changed.
    Folder(fn(&Path, &Facts)),
    /// It is as it was, and something else is wrong.
    Nothing,
}

/// Who finds it.
pub(crate) enum Found {
    /// It is refused before a server starts, with this exit code and these words.
    Refused(i32, &'static str),
    /// A judge of this statement has a finding with these words: judge, code, subject, and what else matters.
    By(Statement, &'static [&'static str]),
    /// Nobody finds it, and the report says that this was not looked at.
    Unseen(&'static str),
}

/// Names that are known when the backup was taken: `{table}` in words stands for the fact `table`.
#[derive(Default)]
pub(crate) struct Facts(BTreeMap<&'static str, String>);

impl Facts {
    pub(crate) fn tell(&mut self, name: &'static str, value: impl Into<String>) {
        self.0.insert(name, value.into());
    }

    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.get(name).unwrap_or_else(|| panic!("nobody knows {name}"))
    }

    fn fill(&self, words: &str) -> String {
        self.0
            .iter()
            .fold(words.to_owned(), |words, (name, value)| words.replace(&format!("{{{name}}}"), value))
    }
}

impl Row {
    /// Damages bytes, which must change.
    pub(crate) fn damage_bytes(&self, intact: &[u8]) -> Vec<u8> {
        let mut bytes = intact.to_vec();
        let does = match self.does {
            Does::Bytes(does) => does,
            Does::Folder(_) => panic!("{} is not about a file", self.name),
            Does::Nothing => return bytes,
        };
        does(&mut bytes);
        assert!(bytes != intact, "{} changes nothing", self.name);
        bytes
    }

    /// Damages the copy of a folder.
    pub(crate) fn damage_folder(&self, copy: &Path, facts: &Facts) {
        let Does::Folder(does) = self.does else { panic!("{} is not about a folder", self.name) };
        does(copy, facts);
    }

    /// Fails unless everybody who is named finds it. Returns the statements that this refutes.
    pub(crate) fn is_found(&self, verified: &Verified, facts: &Facts) -> Vec<Statement> {
        let mut refuted = Vec::new();
        for found in self.found {
            match found {
                Found::By(statement, words) => {
                    let words: Vec<_> = words.iter().map(|word| facts.fill(word)).collect();
                    verified.finds(&words.iter().map(String::as_str).collect::<Vec<_>>());
                    refuted.push(*statement);
                }
                Found::Unseen(words) => {
                    let unseen = verified.not_looked_at();
                    assert!(unseen.iter().any(|one| one.contains(words)), "{}: {unseen:#?}", self.name);
                }
                Found::Refused(code, words) => {
                    let printed = verified.printed.split_whitespace().collect::<Vec<_>>().join(" ");
                    let is_refused = verified.code == *code && printed.contains(&facts.fill(words));
                    assert!(is_refused, "{} of {}: {}", self.name, self.of, verified.printed);
                }
            }
        }
        refuted
    }

    /// Fails unless the damage is found as the table says, and no stronger statement is claimed.
    pub(crate) fn judge(&self, verified: &Verified, facts: &Facts) {
        let refuted = self.is_found(verified, facts);
        if matches!(self.found, [Found::Refused(..)]) {
            return;
        }
        for statement in Statement::ALL {
            let wanted = if refuted.contains(&statement) {
                "refuted"
            } else if statement <= Statement::Sound && !refuted.contains(&Statement::Restored) {
                "shown"
            } else {
                "not_looked_at"
            };
            let found = standing(verified, statement);
            assert_eq!(found, wanted, "{statement}, {} of {}: {}", self.name, self.of, verified.printed);
        }
    }

    /// The row as a line.
    fn line(&self) -> String {
        let found = |found: &Found| match found {
            Found::Refused(1, words) => format!("refused, and the backup is to blame: {words}"),
            Found::Refused(_, words) => format!("refused, and nothing is blamed: {words}"),
            Found::By(statement, words) => format!("{statement}: {}", words.join(" ")),
            Found::Unseen(words) => format!("nobody, and the report says so: not looked at {words}"),
        };
        let found: Vec<_> = self.found.iter().map(found).collect();
        let found =
            if found.is_empty() { "nothing, and nothing is claimed".to_owned() } else { found.join("; ") };
        format!("{} | {} | {found}", self.of, self.name)
    }
}

/// The table as text.
pub(crate) fn table(rows: &[&[Row]]) -> String {
    rows.iter().flat_map(|rows| rows.iter()).map(Row::line).collect::<Vec<_>>().join("\n")
}
