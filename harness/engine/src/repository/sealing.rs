//! What encrypts and opens the files of a sealed repository. The keys are somebody else's matter.

use async_trait::async_trait;
use comeback_error::Result;

use super::{Reader, Writer};

/// Opens encrypted files with the keys that the user gave.
#[async_trait]
pub trait Decryptor: Send + Sync {
    /// The content of an encrypted file. A key that does not open it is an error with a hint.
    async fn open(&self, encrypted: Reader) -> Result<Reader>;
}

/// Encrypts files to the recipients that the user named.
pub trait Encryptor: Send + Sync {
    /// A writer that encrypts what is written, and writes it to another one. Shutting it down ends both.
    fn seal(&self, to: Writer) -> Result<Writer>;

    /// A small file, encrypted.
    fn seal_bytes(&self, content: &[u8]) -> Result<Vec<u8>>;
}
