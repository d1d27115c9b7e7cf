//! Files of a backup, read and written as they are stored.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::error::{Context as _, Result};
use crate::repository::{Repository, Upload};

pub(super) async fn read(repository: &dyn Repository, id: &str, name: &str) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    repository
        .open(id, name)
        .await?
        .read_to_end(&mut content)
        .await
        .context(format_args!("reading {name}"))?;
    Ok(content)
}

pub(super) async fn write(upload: &mut dyn Upload, name: &str, content: &[u8]) -> Result<()> {
    let mut writer = upload.create(name).await?;
    writer.write_all(content).await.context(format_args!("writing {name}"))?;
    writer.shutdown().await.context(format_args!("writing {name}"))
}
