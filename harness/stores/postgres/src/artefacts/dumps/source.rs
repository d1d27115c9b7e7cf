//! Where a dump is read from.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use comeback_engine::RestoreFailure;
use comeback_engine::artefact::{Place, VerifyOptions, peel};
use comeback_engine::repository::Reader;
use comeback_engine::runner::Meter;
use comeback_model::{Finding, FindingCode};
use tokio::io::{AsyncRead, ReadBuf};

use crate::error::{Error, Result};

/// A file of a place, and how it is opened.
pub(super) struct Source {
    pub(super) place: Arc<dyn Place>,
    /// The path in the place; empty if the place is the file.
    pub(super) path: String,
    pub(super) options: Arc<VerifyOptions>,
}

impl Source {
    /// The name of the file in findings.
    pub(super) fn name(&self) -> String {
        if self.path.is_empty() { self.place.name() } else { format!("{}/{}", self.place.name(), self.path) }
    }

    /// Its content from the start, without the layers around it.
    pub(super) async fn open(&self) -> Result<Reader> {
        self.peeled(self.place.open(&self.path).await?).await
    }

    /// The same, with what is read of the file counted.
    pub(super) async fn open_metered(&self, meter: &Meter) -> Result<Reader> {
        self.peeled(meter.watch(self.place.open(&self.path).await?)).await
    }

    async fn peeled(&self, file: Reader) -> Result<Reader> {
        let decryptor = self.options.decryptor.as_deref();
        Ok(peel(&self.name(), file, decryptor).await?.content)
    }
}

impl Source {
    /// The failure for a file that could not be read to its end. The layers around it are a part of the backup.
    pub(super) fn unreadable(&self, error: &io::Error) -> RestoreFailure {
        let code = match error.kind() {
            io::ErrorKind::UnexpectedEof => FindingCode::BackupTruncated,
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Other => {
                FindingCode::BackupDamaged
            }
            _ => return Error::could_not_verify(format!("reading {}: {error}", self.name())).into(),
        };
        Finding::new(code, self.name(), "a file that can be read to its end", error.to_string())
            .remedy("restore an older export, and find out what cut or changed this one")
            .into()
    }
}

/// A reader that keeps its error: a program that copies from it may report only an error of its own.
pub(super) struct Watched {
    reader: Reader,
    fault: Fault,
}

/// The error of a [`Watched`] reader.
#[derive(Clone, Default)]
pub(super) struct Fault(Arc<Mutex<Option<io::Error>>>);

impl Fault {
    /// The error, if there was one.
    pub(super) fn take(&self) -> Option<io::Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Watched {
    pub(super) fn new(reader: Reader) -> (Self, Fault) {
        let fault = Fault::default();
        (Self { reader, fault: fault.clone() }, fault)
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.reader).poll_read(cx, buf);
        if let Poll::Ready(Err(error)) = &polled {
            let kept = io::Error::new(error.kind(), error.to_string());
            *self.fault.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
        }
        polled
    }
}
