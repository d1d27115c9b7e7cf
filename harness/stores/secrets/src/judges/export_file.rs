//! Judge of an export's file: who can read it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use async_trait::async_trait;
use comeback_engine::judge::{Judge, Opinion};
use comeback_error::{Context as _, Result};
use comeback_model::{Finding, FindingCode};

use crate::find_identity_beside;

/// The mode of a file that only its owner can use.
const OWNER_ALONE: u32 = 0o600;

/// Checks that only its owner can read the file of an export, and that no key that may open it is beside it.
///
/// It does not look into the file, nor at the permissions of the folders above it.
pub struct ExportFile<'a> {
    /// The encrypted file.
    pub path: &'a Path,
}

#[async_trait]
impl Judge for ExportFile<'_> {
    fn name(&self) -> &'static str {
        "export-file"
    }

    async fn judge(&self) -> Result<Opinion> {
        let doing = format!("looking at {}", self.path.display());
        let found = tokio::fs::metadata(self.path).await.context(&doing)?;
        let mode = found.permissions().mode() & 0o7777;
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let mut findings = Vec::new();
        if mode != OWNER_ALONE {
            let [expected, actual] = [OWNER_ALONE, mode].map(|mode| format!("mode {mode:04o}"));
            findings.push(
                Finding::new(FindingCode::FileExposed, &*name, expected, actual)
                    .remedy("chmod 0600, and find out who has copied the file since"),
            );
        }
        let folder = self.path.parent().unwrap_or(Path::new("."));
        if let Some(key) = find_identity_beside(folder)? {
            let key = key.file_name().unwrap_or_default().to_string_lossy().into_owned();
            findings.push(
                Finding::new(FindingCode::FileExposed, &key, "no private key beside the export", "one")
                    .remedy("take the key away, and export to a new one: whoever had the folder has both"),
            );
        }
        Ok(Opinion::new(format!("the export has mode {mode:04o}, {} bytes", found.len()), findings))
    }
}
