//! Damages to exports of one table that checksums do not reveal: the manifest was written after the damage.

use std::ops::Range;

use comeback_engine::damage::{
    Backup, Checksums, Damage, DamageSpec, DamageTable, Injury, Sharing, StoredBackup, choose, newest, older,
    pack, rewrite, unpack,
};
use comeback_engine::repository::Repository;
use comeback_model::{FindingCode, Manifest};

use crate::csv::FILE;
use crate::error::{Context as _, Error, Result};

/// Damages to the content of an export of one table, with matching checksums.
pub static TO_A_CSV: DamageTable<Backup> = DamageTable {
    class: "csv",
    groups: &[&[
        Damage {
            spec: DamageSpec {
                name: "csv-line-cut",
                does: "an export of a table lacks a row, and its manifest says that it has to be so",
                judge: "loaded-rows",
                finding: FindingCode::RowMissing,
            },
            inject: |aim| Box::pin(cut_line(aim.on, aim.seed)),
        },
        Damage {
            spec: DamageSpec {
                name: "csv-encoding-changed",
                does: "an export of a table is in Latin-1, and its manifest says that it has to be so",
                judge: "restore",
                finding: FindingCode::EncodingWrong,
            },
            inject: |aim| Box::pin(change_encoding(aim.on)),
        },
        Damage {
            spec: DamageSpec {
                name: "csv-nulls-emptied",
                does: "an export of a table has empty texts for NULLs, and its manifest says that it has to be so",
                judge: "loaded-rows",
                finding: FindingCode::ContentDiffers,
            },
            inject: |aim| Box::pin(empty_nulls(aim.on, aim.seed)),
        },
        Damage {
            spec: DamageSpec {
                name: "csv-columns-reordered",
                does: "the header of an export of a table names its columns in another order than the rows have them, and its manifest says that it has to be so",
                judge: "loaded-rows",
                finding: FindingCode::ContentDiffers,
            },
            inject: |aim| Box::pin(reorder_columns(aim.on, aim.seed)),
        },
        Damage {
            spec: DamageSpec {
                name: "csv-value-changed",
                does: "one letter of an export of a table is another, and its manifest says that it has to be so",
                judge: "loaded-rows",
                finding: FindingCode::RowChanged,
            },
            inject: |aim| Box::pin(change_value(aim.on, aim.seed)),
        },
        Damage {
            spec: DamageSpec {
                name: "csv-stale",
                does: "the file of another day is in place of the newest export's, and its manifest says that it has to be so",
                judge: "loaded-rows",
                finding: FindingCode::ContentDiffers,
            },
            inject: |aim| Box::pin(replace_by_older(aim.on)),
        },
    ]],
    sharing: Sharing::None,
};

/// An export that is opened for editing.
struct Opened<'a> {
    repository: &'a dyn Repository,
    manifest: Manifest,
    text: String,
    /// The fields of each record, as ranges of the text; the header comes first.
    records: Vec<Vec<Range<usize>>>,
}

/// Removes one row, chosen by the seed.
async fn cut_line(repository: &dyn Repository, seed: u64) -> Result<Injury> {
    let opened = Opened::read(repository, &newest(repository).await?).await?;
    let row = 1 + choose(seed, opened.records.len() - 1);
    let fields = &opened.records[row];
    let injury = opened.injury(Some(row))?;
    // The record is cut from the start of its first field to the line end after its last one.
    let text = [&opened.text[..fields[0].start], &opened.text[fields[fields.len() - 1].end + 1..]].concat();
    opened.put(text.as_bytes()).await?;
    Ok(injury)
}

/// Writes the file in Latin-1, as a program with the wrong default does. Characters outside Latin-1 become
/// `?`.
async fn change_encoding(repository: &dyn Repository) -> Result<Injury> {
    let opened = Opened::read(repository, &newest(repository).await?).await?;
    let latin: Vec<u8> = opened.text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect();
    let injury = Injury::to(format!("{}/{FILE}", opened.manifest.id));
    opened.put(&latin).await?;
    Ok(injury)
}

/// Replaces the NULLs of one column by empty texts. The seed chooses among the text columns that have NULLs.
/// The server accepts them.
async fn empty_nulls(repository: &dyn Repository, seed: u64) -> Result<Injury> {
    let opened = Opened::read(repository, &newest(repository).await?).await?;
    let columns: Vec<usize> =
        opened.columns_of("text")?.into_iter().filter(|at| opened.has_null(*at)).collect();
    let Some(column) = columns.get(choose(seed, columns.len())) else {
        return Err(Error::could_not_verify(format!(
            "export {} has no column of text with a NULL in it",
            opened.manifest.id
        )));
    };
    let injury = opened.injury(None)?;
    let mut text = opened.text.clone();
    for fields in opened.records[1..].iter().rev() {
        if fields[*column].is_empty() {
            text.insert_str(fields[*column].start, "\"\"");
        }
    }
    opened.put(text.as_bytes()).await?;
    Ok(injury)
}

/// Exchanges the names of two columns of the same type in the header, as if the rows had been written in
/// another order. The server accepts them.
async fn reorder_columns(repository: &dyn Repository, seed: u64) -> Result<Injury> {
    let opened = Opened::read(repository, &newest(repository).await?).await?;
    let mut pairs = Vec::new();
    for type_name in ["text", "timestamptz"] {
        let columns: Vec<usize> =
            opened.columns_of(type_name)?.into_iter().filter(|at| !opened.has_null(*at)).collect();
        pairs.extend(columns.windows(2).map(|pair| (pair[0], pair[1])));
    }
    let Some((first, second)) = pairs.get(choose(seed, pairs.len())) else {
        return Err(Error::could_not_verify(format!(
            "export {} has no two columns to exchange",
            opened.manifest.id
        )));
    };
    let mut names: Vec<&str> = opened.records[0].iter().map(|name| &opened.text[name.clone()]).collect();
    names.swap(*first, *second);
    let header_end = opened.records[0].last().map_or(0, |name| name.end);
    let text = names.join(",") + &opened.text[header_end..];
    let injury = opened.injury(None)?;
    opened.put(text.as_bytes()).await?;
    Ok(injury)
}

/// Changes one letter of a text value, in a row chosen by the seed.
async fn change_value(repository: &dyn Repository, seed: u64) -> Result<Injury> {
    let opened = Opened::read(repository, &newest(repository).await?).await?;
    let (columns, rows) = (opened.columns_of("text")?, opened.records.len() - 1);
    let letter = (0..rows).map(|step| 1 + (choose(seed, rows) + step) % rows).find_map(|row| {
        let places = columns.iter().flat_map(|column| opened.records[row][*column].clone());
        places.into_iter().find(|at| opened.text.as_bytes()[*at].is_ascii_lowercase()).map(|at| (row, at))
    });
    let Some((row, at)) = letter else {
        return Err(Error::could_not_verify(format!(
            "export {} has no letter to change",
            opened.manifest.id
        )));
    };
    let injury = opened.injury(Some(row))?;
    let mut bytes = opened.text.clone().into_bytes();
    bytes[at] = if bytes[at] == b'x' { b'y' } else { b'x' };
    opened.put(&bytes).await?;
    Ok(injury)
}

/// Replaces the file of the newest export by that of an older one.
async fn replace_by_older(repository: &dyn Repository) -> Result<Injury> {
    let opened = Opened::read(repository, &newest(repository).await?).await?;
    let older = Opened::read(repository, &older(repository).await?).await?;
    let injury = opened.injury(None)?;
    opened.put(older.text.as_bytes()).await?;
    Ok(injury)
}

impl<'a> Opened<'a> {
    async fn read(repository: &'a dyn Repository, id: &str) -> Result<Self> {
        let mut backup = StoredBackup::read(repository, id, Checksums::Renewed).await?;
        backup.manifest.content.table()?;
        let text = String::from_utf8(unpack(backup.file(FILE)?)?).context("reading an export to damage")?;
        let records = records(&text);
        if records.len() < 2 {
            return Err(Error::could_not_verify(format!("export {id} has no rows to damage")));
        }
        Ok(Self { repository, manifest: backup.manifest, text, records })
    }

    /// The positions of a type's columns in a record, except those of the key.
    fn columns_of(&self, type_name: &str) -> Result<Vec<usize>> {
        let (export, rows) = self.manifest.content.table()?;
        let fitting = |name: &String| {
            let values = rows.columns[rows.key_columns..].iter();
            values.into_iter().any(|column| column.name == *name && column.type_name == type_name)
        };
        let columns = export.columns.iter().enumerate();
        Ok(columns.filter(|(_, name)| fitting(name)).map(|(at, _)| at).collect())
    }

    /// Whether a column has a NULL: an empty field without quotes.
    fn has_null(&self, column: usize) -> bool {
        self.records[1..].iter().any(|fields| fields[column].is_empty())
    }

    /// The injury: the table, and the key of a row if one is given.
    fn injury(&self, row: Option<usize>) -> Result<Injury> {
        let (export, rows) = self.manifest.content.table()?;
        let parts = rows.columns[..rows.key_columns].iter().filter_map(|key| {
            let at = export.columns.iter().position(|name| *name == key.name)?;
            Some(format!("{}={}", key.name, &self.text[self.records[row?][at].clone()]))
        });
        let parts: Vec<_> = parts.collect();
        Ok(Injury { subject: export.table.clone(), key: row.map(|_| parts.join(", ")) })
    }

    /// Replaces the file of the export, with a manifest whose checksum matches.
    async fn put(self, file: &[u8]) -> Result<()> {
        rewrite(self.repository, &self.manifest.id, Checksums::Renewed, |backup| {
            *backup.file(FILE)? = pack(file)?;
            Ok(())
        })
        .await
    }
}

/// Splits a file into records and their fields, including quotes.
fn records(text: &str) -> Vec<Vec<Range<usize>>> {
    let (mut found, mut fields, mut from, mut quoted) = (Vec::new(), Vec::new(), 0, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b',' | b'\n' if !quoted => {
                fields.push(from..at);
                from = at + 1;
                if byte == b'\n' {
                    found.push(std::mem::take(&mut fields));
                }
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_and_fields_are_found_where_quotes_hide_them() {
        let text = "a,b\n1,\"x,\n\"\"y\"\"\"\n2,\n";
        let found: Vec<Vec<_>> = records(text)
            .into_iter()
            .map(|record| record.into_iter().map(|at| &text[at]).collect())
            .collect();
        assert_eq!(found, [vec!["a", "b"], vec!["1", "\"x,\n\"\"y\"\"\""], vec!["2", ""]]);
    }
}
