//! Damages to SQL exports that checksums do not reveal: the manifest was written after the damage.

use std::ops::Range;

use comeback_engine::damage::{
    Backup, Checksums, Damage, DamageSpec, DamageTable, Injury, Sharing, choose, newest, pack, rewrite,
    unpack,
};
use comeback_engine::repository::Repository;
use comeback_model::FindingCode;

use crate::dump::{ROLES, SCRIPT};
use crate::error::{Error, Result};

/// Damages to the content of a SQL export, with matching checksums.
pub static TO_AN_EXPORT: DamageTable<Backup> = DamageTable {
    class: "export",
    groups: &[&[
        Damage {
            spec: DamageSpec {
                name: "export-truncated",
                does: "an export ends in its middle, and its manifest says that it has to be so",
                judge: "restore",
                finding: FindingCode::BackupTruncated,
            },
            inject: |aim| Box::pin(truncate(aim.on, aim.seed)),
        },
        Damage {
            spec: DamageSpec {
                name: "table-cut",
                does: "an export lacks rows of one table, and its manifest says that it has to be so",
                judge: "row-counts",
                finding: FindingCode::RowCount,
            },
            inject: |aim| Box::pin(cut_table(aim.on, aim.seed)),
        },
        Damage {
            spec: DamageSpec {
                name: "roles-missing",
                does: "the file with the roles is gone",
                judge: "restore",
                finding: FindingCode::BackupDamaged,
            },
            inject: |aim| Box::pin(remove_roles(aim.on)),
        },
    ]],
    sharing: Sharing::None,
};

/// Cuts the script off near its middle, as a full disk would.
async fn truncate(repository: &dyn Repository, seed: u64) -> Result<Injury> {
    edit_script(repository, |script| {
        let middle = script.len() / 10;
        script.truncate(middle + choose(seed, script.len() - 2 * middle));
        Ok(Injury::to(SCRIPT))
    })
    .await
}

/// Removes the second half of a table's rows. The seed chooses among the tables that have rows.
async fn cut_table(repository: &dyn Repository, seed: u64) -> Result<Injury> {
    edit_script(repository, |script| {
        let sections = sections(script);
        let nothing = || Error::could_not_verify("the export has no rows to cut");
        let (table, rows) = sections.get(choose(seed, sections.len())).ok_or_else(nothing)?;
        let lines: Vec<_> = script[rows.clone()].split_inclusive(|byte| *byte == b'\n').collect();
        let kept = lines[..lines.len() / 2].iter().map(|line| line.len()).sum::<usize>();
        script.drain(rows.start + kept..rows.end);
        Ok(Injury::to(table))
    })
    .await
}

/// Removes the file with the roles; the manifest still lists it.
async fn remove_roles(repository: &dyn Repository) -> Result<Injury> {
    let id = newest(repository).await?;
    rewrite(repository, &id, Checksums::Kept, |backup| {
        backup.files.retain(|(name, _)| name != ROLES);
        Ok(Injury::to(format!("{id}/{ROLES}")))
    })
    .await
}

/// Edits the script of the newest export.
async fn edit_script(
    repository: &dyn Repository,
    edit: impl FnOnce(&mut Vec<u8>) -> Result<Injury> + Send,
) -> Result<Injury> {
    rewrite(repository, &newest(repository).await?, Checksums::Renewed, |backup| {
        let file = backup.file(SCRIPT)?;
        let mut script = unpack(file)?;
        let injury = edit(&mut script)?;
        *file = pack(&script)?;
        Ok(injury)
    })
    .await
}

/// The tables that have rows, and the ranges of their rows in the script.
fn sections(script: &[u8]) -> Vec<(String, Range<usize>)> {
    let (mut found, mut at, mut table): (Vec<_>, usize, Option<(String, usize)>) = (Vec::new(), 0, None);
    for line in script.split_inclusive(|byte| *byte == b'\n') {
        let begins = at;
        at += line.len();
        table = match table {
            Some((name, from)) if line == b"\\.\n" => {
                found.extend((begins > from).then_some((name, from..begins)));
                None
            }
            None if line.starts_with(b"COPY ") && line.ends_with(b" FROM stdin;\n") => {
                let text = String::from_utf8_lossy(line);
                text[5..].split(" (").next().map(|name| (name.to_owned(), at))
            }
            other => other,
        };
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sections_with_rows_are_found() {
        let script = b"COPY a.b (x) FROM stdin;\n\\.\n\nCOPY \"c d\".e (y) FROM stdin;\n1\n2\n\\.\n";
        assert_eq!(sections(script), [("\"c d\".e".to_owned(), 58..62)]);
    }
}
