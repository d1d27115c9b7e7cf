//! Which certificates a connection trusts, and which it shows.

use std::fmt;
use std::sync::{Arc, OnceLock};

use comeback_error::{Error, Result};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};

/// The files and the name that TLS is set up with; the names are those of the options of `redis-cli`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificates that may have signed the server's; `None` for those that the machine trusts.
    pub cacert: Option<String>,
    /// The certificate that the server is shown.
    pub cert: Option<String>,
    /// The key of that certificate.
    pub key: Option<String>,
    /// The name that the server's certificate must have; `None` for the host of the address.
    pub sni: Option<String>,
}

impl TlsFiles {
    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Sets a parameter of an address; `false` if there is none of this name, or if it is set already.
    pub(super) fn set(&mut self, name: &str, value: &str) -> bool {
        let place = match name {
            "cacert" => &mut self.cacert,
            "cert" => &mut self.cert,
            "key" => &mut self.key,
            "sni" => &mut self.sni,
            _ => return false,
        };
        place.replace(value.to_owned()).is_none()
    }

    /// The parameters that are set, in the order in which they are printed.
    pub(super) fn parameters(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let all = [("cacert", &self.cacert), ("cert", &self.cert), ("key", &self.key), ("sni", &self.sni)];
        all.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)))
    }

    /// What is set in either; an error if both set the same to different values.
    pub(super) fn or(mut self, other: &Self) -> Result<Self> {
        for (name, value) in other.parameters() {
            if self.parameters().any(|(own, there)| own == name && there != value) {
                return Err(Error::usage(format!("the address and --{name} name different values"))
                    .hint("say it in one place"));
            }
            self.set(name, value);
        }
        Ok(self)
    }
}

/// TLS of one address. Clones share what was read from the files.
#[derive(Clone, Default)]
pub(super) struct Tls {
    pub(super) files: TlsFiles,
    ready: Arc<OnceLock<Arc<ClientConfig>>>,
}

impl Tls {
    /// Nothing is read yet. A certificate without its key, or a key alone, is an error.
    fn new(files: TlsFiles) -> Result<Self> {
        if files.cert.is_some() != files.key.is_some() {
            let (one, other) = if files.cert.is_some() { ("cert", "key") } else { ("key", "cert") };
            return Err(Error::usage(format!("{one} is given without {other}"))
                .hint("a client shows a certificate and proves it with its key: give both, or neither"));
        }
        if let Some(name) = &files.sni
            && ServerName::try_from(name.as_str()).is_err()
        {
            return Err(Error::usage(format!("sni is no name of a host: {name}")));
        }
        Ok(Self { files, ready: Arc::default() })
    }

    /// TLS if the scheme of the address says so. Files without it are an error: nobody would look at them.
    pub(super) fn of_scheme(files: TlsFiles, is_encrypted: bool) -> Result<Option<Self>> {
        if is_encrypted {
            return Self::new(files).map(Some);
        }
        files.parameters().next().map_or(Ok(None), |(name, _)| {
            Err(Error::usage(format!("{name} is given, and the address is one without TLS"))
                .hint("write rediss:// instead of redis://, or rediss+sentinel://"))
        })
    }

    /// The name that the server's certificate must have.
    pub(super) fn server_name(&self, host: &str) -> Result<ServerName<'static>> {
        let name = self.files.sni.as_deref().unwrap_or(host);
        ServerName::try_from(name.to_owned())
            .map_err(|_| Error::usage(format!("no certificate can be for the host {name}")))
    }

    /// The settings of the client; reads the files the first time. Only versions 1.2 and 1.3 are spoken.
    pub(super) fn config(&self) -> Result<Arc<ClientConfig>> {
        if let Some(config) = self.ready.get() {
            return Ok(config.clone());
        }
        let config = Arc::new(self.read()?);
        Ok(self.ready.get_or_init(|| config).clone())
    }

    fn read(&self) -> Result<ClientConfig> {
        let roots = match &self.files.cacert {
            Some(path) => own_roots(path)?,
            None => machine_roots()?,
        };
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::could_not_verify(format!("setting up TLS: {error}")))?
            .with_root_certificates(roots);
        let (Some(cert), Some(key)) = (&self.files.cert, &self.files.key) else {
            return Ok(builder.with_no_client_auth());
        };
        let chain = certificates(cert)?;
        let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| {
            unreadable("key", key, &error).hint("it is a file in PEM, and its key is not encrypted")
        })?;
        builder.with_client_auth_cert(chain, secret).map_err(|error| {
            Error::usage(format!("{key} is not the key of the certificate {cert}: {error}"))
                .hint("name the two files that belong together")
        })
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.files.fmt(f)
    }
}

impl PartialEq for Tls {
    fn eq(&self, other: &Self) -> bool {
        self.files == other.files
    }
}

fn own_roots(path: &str) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|error| {
            Error::usage(format!("cacert {path} holds what cannot have signed a certificate: {error}"))
        })?;
    }
    Ok(roots)
}

fn machine_roots() -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if added == 0 {
        return Err(Error::could_not_verify("this machine trusts no certificates")
            .hint("install ca-certificates, or name the file with the server's root certificate: cacert"));
    }
    Ok(roots)
}

fn certificates(path: &str) -> Result<Vec<CertificateDer<'static>>> {
    let found = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let found = found.map_err(|error| unreadable("certificate", path, &error))?;
    if found.is_empty() {
        return Err(Error::usage(format!("there is no certificate in {path}"))
            .hint("it is a file in PEM: it has a line -----BEGIN CERTIFICATE-----"));
    }
    Ok(found)
}

fn unreadable(what: &str, path: &str, error: &rustls::pki_types::pem::Error) -> Error {
    let why = match error {
        rustls::pki_types::pem::Error::Io(error) => error.to_string(),
        // The error's own words could hold a part of the file.
        _ => "it is no file in PEM with one".to_owned(),
    };
    Error::usage(format!("reading the {what} from {path}: {why}"))
}

/// What to do about a connection with TLS that failed with this message.
pub(super) fn hint(said: &str) -> Option<&'static str> {
    let hints = [
        ("NotValidForName", "name the host as the server's certificate does, or say that name: sni"),
        ("not valid for name", "name the host as the server's certificate does, or say that name: sni"),
        ("UnknownIssuer", "name the file with the certificate that signed the server's: cacert"),
        ("CaUsedAsEndEntity", "give the server a certificate that a root signed: this one is a root itself"),
        ("Expired", "the server needs a new certificate; or the clock of this machine is wrong"),
        ("expired", "the server needs a new certificate; or the clock of this machine is wrong"),
        ("CertificateRequired", "the server asks for the client's certificate: give cert and key"),
        ("HandshakeFailure", "the server may ask for the client's certificate: give cert and key"),
        ("UnknownCA", "the server does not trust the client's certificate: cert"),
        ("BadCertificate", "the server does not accept the client's certificate: cert"),
        ("CertificateUnknown", "the server does not accept the client's certificate: cert"),
        ("DecryptError", "the server does not accept the client's certificate: cert"),
        (
            "InvalidContentType",
            "the server does not speak TLS at this port: write redis://, or name its port",
        ),
    ];
    hints.into_iter().find_map(|(word, hint)| said.contains(word).then_some(hint))
}
