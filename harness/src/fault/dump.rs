//! Damage to logical exports of the kind that no checksum tells: it was there when the manifest was written.

use async_compression::tokio::bufread::GzipDecoder;
use async_compression::tokio::write::GzipEncoder;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::rewrite::{read, write};
use super::{Injury, choose};
use crate::error::{Context as _, Error, Result};
use crate::model::Manifest;
use crate::repository::{BackupWriter, Repository};

/// The export as one script. Its name is the store's.
const SCRIPT: &str = "dump.sql.gz";
const ROLES: &str = "roles.sql";

/// Ends the script somewhere in its middle, as a full disk would have done while it was written.
pub(super) async fn truncate(repository: &dyn Repository, id: &str, seed: u64) -> Result<Injury> {
    let mut script = read_script(repository, id).await?;
    let middle = script.len() / 10;
    script.truncate(middle + choose(seed, script.len() - 2 * middle));
    write_script(repository, id, &script).await?;
    Ok(Injury { subject: SCRIPT.to_owned(), key: None })
}

/// Takes the second half of the rows away from one table, chosen by the seed among those that have rows.
pub(super) async fn cut_table(repository: &dyn Repository, id: &str, seed: u64) -> Result<Injury> {
    let script = read_script(repository, id).await?;
    let sections = sections(&script);
    if sections.is_empty() {
        return Err(Error::could_not_verify(format!("export {id} has no rows to cut")));
    }
    let (table, rows) = &sections[choose(seed, sections.len())];
    let lines: Vec<_> = script[rows.clone()].split_inclusive(|byte| *byte == b'\n').collect();
    let kept = lines[..lines.len() / 2].concat();
    let cut = [&script[..rows.start], &kept, &script[rows.end..]].concat();
    write_script(repository, id, &cut).await?;
    Ok(Injury { subject: table.clone(), key: None })
}

/// Removes the file with the roles; the manifest still knows it.
pub(super) async fn remove_roles(repository: &dyn Repository, id: &str) -> Result<Injury> {
    let manifest = repository.manifest(id).await?;
    let mut contents = Vec::new();
    for file in manifest.files.iter().filter(|file| file.name != ROLES) {
        contents.push((file.name.clone(), read(repository, id, &file.name).await?));
    }
    repository.remove(id).await?;
    let mut upload = repository.begin(id).await?;
    for (name, content) in &contents {
        write(&mut *upload, name, content).await?;
    }
    upload.commit(&manifest).await?;
    Ok(Injury { subject: format!("{id}/{ROLES}"), key: None })
}

/// The tables that have rows, and where in the script the rows are.
fn sections(script: &[u8]) -> Vec<(String, std::ops::Range<usize>)> {
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

async fn read_script(repository: &dyn Repository, id: &str) -> Result<Vec<u8>> {
    let compressed = read(repository, id, SCRIPT).await?;
    let mut script = Vec::new();
    GzipDecoder::new(&compressed[..])
        .read_to_end(&mut script)
        .await
        .context(format_args!("decompressing {SCRIPT} of export {id}"))?;
    Ok(script)
}

/// Puts another script into the export, with a manifest that fits it.
async fn write_script(repository: &dyn Repository, id: &str, script: &[u8]) -> Result<()> {
    let mut encoder = GzipEncoder::new(Vec::new());
    encoder.write_all(script).await.context("compressing an export")?;
    encoder.shutdown().await.context("compressing an export")?;
    let compressed = encoder.into_inner();
    let manifest = repository.manifest(id).await?;
    let mut contents = Vec::new();
    for file in &manifest.files {
        let content =
            if file.name == SCRIPT { compressed.clone() } else { read(repository, id, &file.name).await? };
        contents.push((file.name.clone(), content));
    }
    repository.remove(id).await?;
    let mut backup = BackupWriter::new(repository.begin(id).await?);
    for (name, content) in &contents {
        backup.write(name, content).await?;
    }
    let files = backup.files().to_vec();
    backup.commit(&Manifest { files, ..manifest }).await
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
