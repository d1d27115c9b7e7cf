//! How a connection to a server is encrypted, and which certificates it trusts.

use std::fmt;

use crate::error::{Error, Result};

/// How a connection is encrypted; the values of `sslmode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TlsMode {
    /// Never encrypts.
    Disable,
    /// Encrypts if the server can, without checking who the server is.
    Prefer,
    /// Always encrypts. If a root certificate is given, it must have signed the server's certificate, as in
    /// libpq.
    Require,
    /// Always encrypts; the server's certificate must be signed by a root certificate.
    VerifyCa,
    /// Like `VerifyCa`, and the server's certificate must name the host in the address.
    VerifyFull,
}

impl TlsMode {
    const ALL: [Self; 5] = [Self::Disable, Self::Prefer, Self::Require, Self::VerifyCa, Self::VerifyFull];

    /// The value as it is written in an address.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }
}

/// The encryption of a connection, and the file with the root certificate.
///
/// The driver trusts the machine's root certificates in addition to this file. With `verify-full` that is
/// harmless; `verify-ca` accepts every certificate that one of them signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tls {
    pub(crate) mode: TlsMode,
    pub(crate) root: Option<String>,
}

impl Tls {
    /// No encryption: the data stays on this machine.
    pub(crate) const NONE: Self = Self { mode: TlsMode::Disable, root: None };

    /// Parses `sslmode` and `sslrootcert`. If neither is given, the connection is encrypted if the server
    /// can, as in libpq.
    pub(crate) fn parse(mode: Option<&str>, root: Option<String>) -> Result<Self> {
        let mode = match mode {
            None => TlsMode::Prefer,
            Some(word) => TlsMode::ALL.into_iter().find(|mode| mode.as_str() == word).ok_or_else(|| {
                let words = TlsMode::ALL.map(TlsMode::as_str).join(", ");
                Error::usage("the address has an unknown sslmode").hint(format!("write one of {words}"))
            })?,
        };
        if root.is_some() && matches!(mode, TlsMode::Disable | TlsMode::Prefer) {
            let sentence = format!("sslrootcert is not used with sslmode={}", mode.as_str());
            return Err(Error::usage(sentence).hint("write sslmode=verify-full"));
        }
        Ok(Self { mode, root })
    }

    /// What to do about a connection that failed with this message.
    pub(crate) fn hint(&self, said: &str) -> Option<String> {
        if said.contains("server does not support TLS") {
            let mode = self.mode.as_str();
            return Some(format!("turn on `ssl` in the server; the address demands it with sslmode={mode}"));
        }
        if said.contains("NotValidForName") || said.contains("not valid for name") {
            return Some("name the host as its certificate does, or write sslmode=verify-ca".to_owned());
        }
        said.contains("invalid peer certificate").then(|| {
            let root = self.root.as_deref().map_or_else(String::new, |root| format!(", which is {root} now"));
            format!("let sslrootcert name the certificate that signed the server's{root}")
        })
    }
}

/// Prints the parameters of an address.
impl fmt::Display for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sslmode={}", self.mode.as_str())
    }
}
