//! Opens encrypted backups of any size with private keys, while they are read.

use std::io::{self, BufReader, Read};
use std::sync::Arc;

use age::armor::ArmoredReader;
use age::{DecryptError, Decryptor as AgeDecryptor};
use async_trait::async_trait;
use bytes::Bytes;
use comeback_engine::artefact::Decryptor;
use comeback_engine::repository::Reader;
use comeback_error::{Context as _, Error, Result};
use futures_util::stream::poll_fn;
use tokio::sync::{mpsc, oneshot};
use tokio_util::io::{StreamReader, SyncIoBridge};

use super::keys::Identities;

/// How much is decrypted at a time: a chunk of age.
const PIECE_BYTES: usize = 64 * 1024;
/// How many pieces may wait for the reader.
const WAITING_PIECES: usize = 8;

/// Opens files that were encrypted with age to one of the user's keys, binary or in text form.
///
/// Nothing decrypted is written to a disk here. A key that does not open a file is *could not verify*: the backup
/// may be whole. A file whose header is damaged is *failed*. What is damaged behind the header is an error of the
/// read that meets it, before any byte of the damaged piece is given out.
pub struct IdentityDecryptor {
    identities: Arc<Identities>,
}

impl IdentityDecryptor {
    /// A decryptor with these keys.
    pub fn new(identities: Arc<Identities>) -> Self {
        Self { identities }
    }
}

#[async_trait]
impl Decryptor for IdentityDecryptor {
    async fn open(&self, encrypted: Reader) -> Result<Reader> {
        let (opened, told) = oneshot::channel();
        let (pieces, mut received) = mpsc::channel(WAITING_PIECES);
        let identities = self.identities.clone();
        let encrypted = SyncIoBridge::new(encrypted);
        tokio::task::spawn_blocking(move || decrypt(encrypted, &identities, opened, &pieces));
        told.await.context("opening the encrypted file")??;
        let pieces = poll_fn(move |context| received.poll_recv(context));
        Ok(Box::new(StreamReader::new(pieces)))
    }
}

/// Decrypts on a thread of its own. The receivers go away if nobody reads any more.
fn decrypt(
    encrypted: impl Read,
    identities: &Identities,
    opened: oneshot::Sender<Result<()>>,
    pieces: &mpsc::Sender<io::Result<Bytes>>,
) {
    let armored = ArmoredReader::new(BufReader::with_capacity(PIECE_BYTES, encrypted));
    let reader = AgeDecryptor::new_buffered(BufReader::with_capacity(PIECE_BYTES, armored))
        .and_then(|decryptor| decryptor.decrypt(identities.iter()));
    let mut reader = match reader {
        Ok(reader) => reader,
        Err(error) => {
            let _ = opened.send(Err(refusal(&error, identities)));
            return;
        }
    };
    if opened.send(Ok(())).is_err() {
        return;
    }
    loop {
        let mut piece = vec![0; PIECE_BYTES];
        let piece = match reader.read(&mut piece) {
            Ok(0) => return,
            Ok(bytes) => {
                piece.truncate(bytes);
                Ok(Bytes::from(piece))
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        let is_end = piece.is_err();
        if pieces.blocking_send(piece).is_err() || is_end {
            return;
        }
    }
}

fn refusal(error: &DecryptError, identities: &Identities) -> Error {
    match error {
        DecryptError::NoMatchingKeys => {
            let keys = identities.path().display();
            Error::could_not_verify(format!("no key in {keys} opens it"))
                .hint("name the key that it was encrypted to with --identity FILE; `age-keygen -y FILE` shows whose a key is")
        }
        DecryptError::Io(error) if error.kind() != io::ErrorKind::UnexpectedEof => {
            Error::could_not_verify(format!("reading the encrypted file: {error}"))
        }
        error => Error::failed(format!("its header is damaged: {error}"))
            .hint("verify an older backup, and find out what wrote or copied this one"),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write as _};

    use comeback_error::ErrorKind;
    use tokio::io::AsyncReadExt as _;

    use super::*;
    use crate::keys::{Recipients, make_identity};

    struct Keys {
        right: IdentityDecryptor,
        wrong: IdentityDecryptor,
        recipients: Recipients,
        _folder: tempfile::TempDir,
    }

    fn keys() -> Keys {
        let folder = tempfile::tempdir().unwrap();
        let make = |name: &str| {
            let path = folder.path().join(name);
            (make_identity(&path).unwrap(), path)
        };
        let [(first, path), (second, _), (_, other)] = ["a", "b", "c"].map(make);
        let with = |paths: &[std::path::PathBuf]| {
            IdentityDecryptor::new(Arc::new(Identities::read_all(paths).unwrap()))
        };
        Keys {
            // A key that opens nothing stands before the one that does.
            right: with(&[other.clone(), path]),
            wrong: with(&[other]),
            recipients: Recipients::parse(&[first, second]).unwrap(),
            _folder: folder,
        }
    }

    fn encrypted(keys: &Keys, content: &[u8], armored: bool) -> Vec<u8> {
        let encryptor = age::Encryptor::with_recipients(keys.recipients.iter()).unwrap();
        let format = if armored { age::armor::Format::AsciiArmor } else { age::armor::Format::Binary };
        let armor = age::armor::ArmoredWriter::wrap_output(Vec::new(), format).unwrap();
        let mut writer = encryptor.wrap_output(armor).unwrap();
        writer.write_all(content).unwrap();
        writer.finish().unwrap().finish().unwrap()
    }

    async fn read(decryptor: &IdentityDecryptor, file: Vec<u8>) -> Result<io::Result<Vec<u8>>> {
        let mut reader = decryptor.open(Box::new(Cursor::new(file))).await?;
        let mut content = Vec::new();
        Ok(reader.read_to_end(&mut content).await.map(|_| content))
    }

    #[tokio::test]
    async fn what_was_encrypted_to_one_of_the_keys_is_opened() {
        let keys = keys();
        let content: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
        for armored in [false, true] {
            for content in [&content[..], b"", b"short"] {
                let file = encrypted(&keys, content, armored);
                assert!(read(&keys.right, file).await.unwrap().unwrap() == content);
            }
        }
    }

    #[tokio::test]
    async fn another_key_proves_nothing_and_damage_is_told() {
        let keys = keys();
        let content = vec![7; 300_000];
        let file = encrypted(&keys, &content, false);
        let wrong = read(&keys.wrong, file.clone()).await.unwrap_err();
        assert_eq!(wrong.kind(), ErrorKind::CouldNotVerify);
        assert!(wrong.hints()[0].contains("--identity"));
        let cut = read(&keys.right, file[..40].to_vec()).await.unwrap_err();
        assert_eq!(cut.kind(), ErrorKind::Failed, "{cut}");
        let mut flipped = file.clone();
        flipped[200_000] ^= 1;
        assert!(read(&keys.right, flipped).await.unwrap().is_err());
        assert!(read(&keys.right, file[..250_000].to_vec()).await.unwrap().is_err());
    }
}
