//! Judge of the checksum at the end of an RDB file.

use async_trait::async_trait;
use comeback_engine::judge::{Judge, Opinion};
use comeback_error::Result;
use comeback_model::{NotLookedAt, ScopeKind};

use crate::rdb::{Checksum, RdbSummary};

/// Says what was known of a file's checksum when it was read. A file whose checksum is wrong was refused before.
pub struct FileChecksum<'a> {
    /// The file.
    pub file: &'a RdbSummary,
}

#[async_trait]
impl Judge for FileChecksum<'_> {
    fn name(&self) -> &'static str {
        "file-checksum"
    }

    async fn judge(&self) -> Result<Opinion> {
        let bytes = self.file.bytes;
        Ok(match self.file.checksum {
            Checksum::Valid => {
                Opinion::new(format!("the CRC-64 at the end fits the {bytes} bytes of the file"), [])
            }
            Checksum::Absent => {
                let why = "the server wrote none (`rdbchecksum no`): a changed value is not noticed";
                let none = NotLookedAt::new(ScopeKind::FileChecksum, "RDB file", why);
                Opinion::new(format!("read {bytes} bytes that end without a checksum"), [])
                    .not_looked_at([none])
            }
        })
    }
}
