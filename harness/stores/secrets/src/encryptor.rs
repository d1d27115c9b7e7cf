//! Encrypts files of any size to recipients, while they are written.

use std::io::{self, Write};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context as TaskContext, Poll, ready};

use age::stream::StreamWriter;
use bytes::{Buf as _, BytesMut};
use comeback_engine::repository::{Encryptor, Writer};
use comeback_error::{Context as _, Result};
use tokio::io::AsyncWrite;

use super::keys::Recipients;

/// How much is encrypted at a time: a chunk of age.
const PIECE_BYTES: usize = 64 * 1024;

/// Encrypts to the recipients of a repository, with age.
pub struct RecipientEncryptor(Recipients);

impl RecipientEncryptor {
    /// An encryptor to these recipients: each of their keys opens what it writes.
    pub fn new(recipients: Recipients) -> Self {
        Self(recipients)
    }

    fn begin<W: Write>(&self, to: W) -> Result<StreamWriter<W>> {
        let doing = "beginning an encrypted file";
        age::Encryptor::with_recipients(self.0.iter()).context(doing)?.wrap_output(to).context(doing)
    }
}

impl Encryptor for RecipientEncryptor {
    fn seal(&self, to: Writer) -> Result<Writer> {
        let sealed = Sealed::default();
        let age = Some(self.begin(sealed.clone())?);
        Ok(Box::new(SealingWriter { age, sealed, waiting: BytesMut::new(), to }))
    }

    fn seal_bytes(&self, content: &[u8]) -> Result<Vec<u8>> {
        let doing = "encrypting a file";
        let mut writer = self.begin(Vec::with_capacity(content.len() + 1024))?;
        writer.write_all(content).context(doing)?;
        writer.finish().context(doing)
    }
}

/// What age has encrypted and nobody has taken yet.
#[derive(Clone, Default)]
struct Sealed(Arc<Mutex<BytesMut>>);

impl Sealed {
    fn take(&self) -> BytesMut {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).split()
    }
}

impl Write for Sealed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Encrypts what is written. At most one chunk waits for the writer beneath.
struct SealingWriter {
    /// `None` once the last chunk is encrypted.
    age: Option<StreamWriter<Sealed>>,
    sealed: Sealed,
    waiting: BytesMut,
    to: Writer,
}

impl SealingWriter {
    /// Hands on what is encrypted.
    fn poll_hand_on(&mut self, context: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        self.waiting.unsplit(self.sealed.take());
        while !self.waiting.is_empty() {
            match ready!(Pin::new(&mut self.to).poll_write(context, &self.waiting))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.waiting.advance(written),
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for SealingWriter {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut TaskContext<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_hand_on(context))?;
        let piece = &bytes[..bytes.len().min(PIECE_BYTES)];
        match self.age.as_mut() {
            Some(age) => Poll::Ready(age.write(piece)),
            None => Poll::Ready(Err(io::Error::other("the encrypted file is finished"))),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_hand_on(context))?;
        Pin::new(&mut self.to).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        if let Some(age) = self.age.take() {
            age.finish()?;
        }
        ready!(self.poll_hand_on(context))?;
        Pin::new(&mut self.to).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use comeback_engine::artefact::Decryptor as _;
    use proptest::prelude::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::decryptor::IdentityDecryptor;
    use crate::keys::{Identities, make_identity};

    /// Takes a few bytes at a time.
    #[derive(Clone, Default)]
    struct Slow(Arc<Mutex<Vec<u8>>>);

    impl AsyncWrite for Slow {
        fn poll_write(
            self: Pin<&mut Self>,
            context: &mut TaskContext<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            let mut taken = self.0.lock().unwrap();
            let size = bytes.len().min(1 + taken.len() % 3001);
            taken.extend_from_slice(&bytes[..size]);
            context.waker().wake_by_ref();
            Poll::Ready(Ok(size))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn keys() -> (RecipientEncryptor, IdentityDecryptor) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let public = make_identity(&path).unwrap();
        let encryptor = RecipientEncryptor::new(Recipients::parse_any(&[public]).unwrap());
        (encryptor, IdentityDecryptor::new(Arc::new(Identities::read(&path).unwrap())))
    }

    async fn opened(decryptor: &IdentityDecryptor, file: Vec<u8>) -> Vec<u8> {
        let (mut content, file) = (Vec::new(), io::Cursor::new(file));
        decryptor.open(Box::new(file)).await.unwrap().read_to_end(&mut content).await.unwrap();
        content
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn what_is_sealed_is_opened_again(sizes in proptest::collection::vec(0..150_000_usize, 0..4)) {
            let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
            runtime.block_on(async {
                let (encryptor, decryptor) = keys();
                let slow = Slow::default();
                let mut writer = encryptor.seal(Box::new(slow.clone())).unwrap();
                let mut content = Vec::new();
                for (size, byte) in sizes.iter().zip(1..) {
                    let piece = vec![byte; *size];
                    writer.write_all(&piece).await.unwrap();
                    content.extend(piece);
                }
                writer.shutdown().await.unwrap();
                let sealed = slow.0.lock().unwrap().clone();
                assert!(opened(&decryptor, sealed).await == content);
                assert!(opened(&decryptor, encryptor.seal_bytes(&content).unwrap()).await == content);
            });
        }
    }
}
