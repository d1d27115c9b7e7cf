//! Takes compression and encryption off a stream, as its first bytes say.

use std::fmt;
use std::io::{self, Cursor};
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use async_compression::tokio::bufread::{GzipDecoder, Lz4Decoder, ZstdDecoder};
use comeback_error::{Error, Result};
use comeback_model::{Finding, FindingCode};
use tokio::io::{AsyncRead, AsyncReadExt as _, BufReader, ReadBuf};

use crate::RestoreFailure;
use crate::repository::{Decryptor, Reader};

/// Most layers around a file. A file that claims more was made to exhaust its reader.
const MOST_LAYERS: usize = 4;
/// How much of a file's start decides what it is.
pub(super) const HEAD_BYTES: usize = 64 * 1024;
/// How much of a compressed file is read at a time.
const BUFFER_BYTES: usize = 256 * 1024;

/// Compression or encryption around a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    /// gzip, RFC 1952.
    Gzip,
    /// Zstandard, RFC 8878.
    Zstd,
    /// LZ4, frame format.
    Lz4,
    /// age, version 1, binary or in text form.
    Age,
}

impl Layer {
    const ALL: [Self; 4] = [Self::Gzip, Self::Zstd, Self::Lz4, Self::Age];

    /// The first bytes. Sources: RFC 1952, RFC 8878, `lz4_Frame_format.md`, age-encryption.org/v1.
    fn marks(self) -> &'static [&'static [u8]] {
        match self {
            Self::Gzip => &[b"\x1f\x8b\x08"],
            Self::Zstd => &[b"\x28\xb5\x2f\xfd"],
            Self::Lz4 => &[b"\x04\x22\x4d\x18"],
            Self::Age => &[b"age-encryption.org/v1\n", b"-----BEGIN AGE ENCRYPTED FILE-----"],
        }
    }

    fn of(head: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|layer| layer.marks().iter().any(|mark| head.starts_with(mark)))
    }

    /// Its name in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Lz4 => "lz4",
            Self::Age => "age",
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A file without the layers around it.
pub struct Peeled {
    /// The layers, the outermost first.
    pub layers: Vec<Layer>,
    /// The first bytes of the content, at most 64 KiB.
    pub head: Vec<u8>,
    /// The content, from its start.
    pub content: Reader,
}

/// Takes off every layer. `name` is the file in errors.
///
/// A read of the content can fail because its file cannot be read, or because a layer is damaged: [`blame`] tells
/// which.
pub async fn peel(name: &str, file: Reader, decryptor: Option<&dyn Decryptor>) -> Result<Peeled> {
    let (mut layers, mut reader): (_, Reader) = (Vec::new(), Box::new(Source(file)));
    loop {
        let (head, whole) = peek(name, reader).await?;
        let Some(layer) = Layer::of(&head) else { return Ok(Peeled { layers, head, content: whole }) };
        if layers.len() == MOST_LAYERS {
            return Err(Error::usage(format!("{name} is packed more than {MOST_LAYERS} times")));
        }
        layers.push(layer);
        reader = unpack(name, layer, whole, decryptor).await?;
    }
}

/// Why the content of a file could not be read to its end. Only a layer that is damaged or cut short is the
/// backup's fault.
pub fn blame(name: &str, error: &io::Error) -> RestoreFailure {
    let is_unread = error.get_ref().and_then(|inner| inner.downcast_ref::<Unread>()).is_some();
    if is_unread {
        return Error::could_not_verify(format!("reading {name}: {error}")).into();
    }
    let (code, actual) = match error.kind() {
        io::ErrorKind::UnexpectedEof => (FindingCode::BackupTruncated, "it ends too early".to_owned()),
        _ => (FindingCode::BackupDamaged, error.to_string()),
    };
    Finding::new(code, name, "a whole file in its compression or encryption", actual)
        .remedy("verify an older backup, and find out what wrote or copied this one")
        .into()
}

/// A read of the file itself that failed.
#[derive(Debug)]
struct Unread(String);

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unread {}

/// The file, whose errors are marked, so that they are told apart from those of its layers.
struct Source(Reader);

impl AsyncRead for Source {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut TaskContext<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.0).poll_read(context, buffer);
        // Never of a kind by which a reader of backups blames the backup.
        read.map_err(|error| io::Error::new(io::ErrorKind::ConnectionAborted, Unread(error.to_string())))
    }
}

/// Reads the start of a stream, and returns the stream from its start.
async fn peek(name: &str, mut reader: Reader) -> Result<(Vec<u8>, Reader)> {
    let mut head = Vec::new();
    let read = (&mut reader).take(HEAD_BYTES as u64).read_to_end(&mut head).await;
    read.map_err(|error| Error::from(blame(name, &error)))?;
    Ok((head.clone(), Box::new(Cursor::new(head).chain(reader))))
}

async fn unpack(
    name: &str,
    layer: Layer,
    packed: Reader,
    decryptor: Option<&dyn Decryptor>,
) -> Result<Reader> {
    let buffered = |packed| BufReader::with_capacity(BUFFER_BYTES, packed);
    Ok(match layer {
        Layer::Gzip => {
            let mut decoder = GzipDecoder::new(buffered(packed));
            // A parallel compressor writes several members.
            decoder.multiple_members(true);
            Box::new(decoder)
        }
        Layer::Zstd => {
            let mut decoder = ZstdDecoder::new(buffered(packed));
            decoder.multiple_members(true);
            Box::new(decoder)
        }
        Layer::Lz4 => {
            let mut decoder = Lz4Decoder::new(buffered(packed));
            decoder.multiple_members(true);
            Box::new(decoder)
        }
        Layer::Age => match decryptor {
            Some(decryptor) => decryptor.open(packed).await.map_err(|error| error.context(name))?,
            None => {
                return Err(Error::usage(format!("{name} is encrypted with age, and no key was given"))
                    .hint("name the file of the private key with --identity FILE"));
            }
        },
    })
}

#[cfg(test)]
mod tests {
    use async_compression::tokio::write::{GzipEncoder, Lz4Encoder, ZstdEncoder};
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    async fn packed(bytes: &[u8], layer: Layer) -> Vec<u8> {
        let mut to = Vec::new();
        match layer {
            Layer::Gzip => {
                let mut encoder = GzipEncoder::new(&mut to);
                encoder.write_all(bytes).await.unwrap();
                encoder.shutdown().await.unwrap();
            }
            Layer::Zstd => {
                let mut encoder = ZstdEncoder::new(&mut to);
                encoder.write_all(bytes).await.unwrap();
                encoder.shutdown().await.unwrap();
            }
            Layer::Lz4 | Layer::Age => {
                let mut encoder = Lz4Encoder::new(&mut to);
                encoder.write_all(bytes).await.unwrap();
                encoder.shutdown().await.unwrap();
            }
        }
        to
    }

    async fn peeled(bytes: Vec<u8>) -> Result<Peeled> {
        peel("f", Box::new(Cursor::new(bytes)), None).await
    }

    #[tokio::test]
    async fn every_layer_is_taken_off_and_the_content_is_whole() {
        let text = b"select 1;\n".repeat(20_000);
        for layer in [Layer::Gzip, Layer::Zstd, Layer::Lz4] {
            let twice = packed(&packed(&text, layer).await, Layer::Gzip).await;
            let mut peeled = peeled(twice).await.unwrap();
            assert_eq!(peeled.layers, [Layer::Gzip, layer]);
            let mut content = Vec::new();
            peeled.content.read_to_end(&mut content).await.unwrap();
            assert!(content == text, "{layer}");
            assert_eq!(peeled.head.len(), HEAD_BYTES);
        }
    }

    #[tokio::test]
    async fn a_layer_that_breaks_is_the_backups_fault_and_a_disk_that_does_is_not() {
        /// A disk that breaks after some bytes.
        struct Broken;
        impl AsyncRead for Broken {
            fn poll_read(
                self: Pin<&mut Self>,
                _: &mut TaskContext<'_>,
                _: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, "gone")))
            }
        }
        let text: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
        for layer in [Layer::Gzip, Layer::Zstd, Layer::Lz4] {
            let whole = packed(&text, layer).await;
            for broken in [true, false] {
                let half: Reader = Box::new(Cursor::new(whole[..whole.len() * 3 / 4].to_vec()));
                let file: Reader = if broken { Box::new(half.chain(Broken)) } else { half };
                let mut content = peel("f", file, None).await.unwrap().content;
                let error = content.read_to_end(&mut Vec::new()).await.unwrap_err();
                let is_fault = matches!(blame("f", &error), RestoreFailure::Backup(_));
                assert_eq!(is_fault, !broken, "{layer}: {error:?}");
            }
        }
    }

    #[tokio::test]
    async fn what_is_packed_too_often_or_encrypted_without_a_key_is_refused() {
        let mut bytes = b"x".to_vec();
        for _ in 0..=MOST_LAYERS {
            bytes = packed(&bytes, Layer::Gzip).await;
        }
        assert!(peeled(bytes).await.is_err_and(|error| error.message().contains("more than 4 times")));
        let age = b"age-encryption.org/v1\n-> X25519".to_vec();
        assert!(peeled(age).await.is_err_and(|error| error.hints()[0].contains("--identity")));
        assert_eq!(peeled(Vec::new()).await.unwrap().layers, []);
    }
}
