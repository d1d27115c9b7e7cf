//! The repositories that the user names: where `comeback backup` and `comeback restore` keep backups.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use comeback_engine::repository::{LocalRepository, Repository};
use comeback_error::{Error, Result};

/// Where a repository is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RepositoryUrl {
    /// A folder of this machine, as a path or as `file:///PATH`.
    Folder(PathBuf),
}

impl FromStr for RepositoryUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let path = text.strip_prefix("file://").unwrap_or(text);
        if path.is_empty() || path.contains("://") || (path.len() < text.len() && !path.starts_with('/')) {
            return Err(format!(
                "`{text}` is not a place for backups: write a folder, such as `/srv/backups` or `file:///srv/backups`"
            ));
        }
        Ok(Self::Folder(PathBuf::from(path)))
    }
}

/// A repository. It is created only if `may_make`.
pub(crate) async fn open(url: &RepositoryUrl, may_make: bool) -> Result<Arc<dyn Repository>> {
    match url {
        RepositoryUrl::Folder(folder) => open_folder(folder, may_make).await,
    }
}

async fn open_folder(folder: &Path, may_make: bool) -> Result<Arc<dyn Repository>> {
    if !may_make && !folder.is_dir() {
        return Err(Error::usage(format!("there is no repository in {}", folder.display()))
            .hint("name the folder that `comeback backup` wrote to"));
    }
    Ok(Arc::new(LocalRepository::open(folder).await?))
}
