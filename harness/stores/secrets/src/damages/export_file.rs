//! Damages to an export's file where it was written: not to its content, but to the access to it.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use comeback_engine::damage::{Aim, Damage, DamageSpec, DamageTable, Injury, Sharing, Target};
use comeback_error::{Context as _, Result};
use comeback_model::FindingCode;

use crate::ExportKeys;

/// The target of these damages: the file of an export and its keys, before it is stored in the repository.
pub struct ExportedFile;

impl Target for ExportedFile {
    type On<'a> = (&'a Path, &'a ExportKeys);
}

/// Damages to the file of an export.
pub static TO_AN_EXPORTED_FILE: DamageTable<ExportedFile> = DamageTable {
    class: "secrets",
    groups: &[&[
        Damage {
            spec: DamageSpec {
                name: "export-readable",
                does: "the file of an export can be read by everybody",
                judge: "export-file",
                finding: FindingCode::FileExposed,
            },
            inject: |aim| Box::pin(open_to_everybody(aim)),
        },
        Damage {
            spec: DamageSpec {
                name: "key-beside",
                does: "the key that opens an export lies beside it",
                judge: "export-file",
                finding: FindingCode::FileExposed,
            },
            inject: |aim| Box::pin(put_key_beside(aim)),
        },
    ]],
    sharing: Sharing::None,
};

async fn open_to_everybody(Aim { on: (path, _), .. }: Aim<'_, ExportedFile>) -> Result<Injury> {
    let everybody = Permissions::from_mode(0o644);
    tokio::fs::set_permissions(path, everybody).await.context("changing the permissions of an export")?;
    Ok(injury(path))
}

async fn put_key_beside(Aim { on: (path, keys), .. }: Aim<'_, ExportedFile>) -> Result<Injury> {
    let beside = path.with_file_name("key.txt");
    tokio::fs::copy(&keys.break_glass, &beside).await.context("copying a key beside an export")?;
    Ok(injury(&beside))
}

fn injury(path: &Path) -> Injury {
    Injury::to(path.file_name().unwrap_or_default().to_string_lossy())
}
