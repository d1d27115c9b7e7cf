//! The keys that sign manifests, and those that are trusted: Ed25519, in the PEM files of `openssl genpkey`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use comeback_error::{Context as _, Error, Result};
use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use zeroize::Zeroizing;

use crate::sha256::Sha256;

/// What stands before the 32 bytes of an Ed25519 key in the DER form of a public key (RFC 8410).
const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
const PRIVATE: &str = "PRIVATE KEY";
const PUBLIC: &str = "PUBLIC KEY";
/// How many characters of base64 a line of PEM holds.
const LINE: usize = 64;

/// A public key that manifests are checked with.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    bytes: [u8; 32],
    name: String,
}

/// A private key that manifests are signed with.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

/// The keys of a repository.
#[derive(Clone, Default)]
pub struct Keyring {
    signer: Option<Signer>,
    trusted: Vec<PublicKey>,
}

/// A private key, or its file. The file is read when something is signed: a reader may not be allowed to open it.
#[derive(Clone)]
enum Signer {
    Key(Arc<SigningKey>),
    File(PathBuf),
}

impl PublicKey {
    /// Reads a PEM file, as `openssl pkey -pubout` writes it.
    pub fn read(path: &Path) -> Result<Self> {
        let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let refuse = |why: &dyn fmt::Display| {
            Error::usage(format!("reading the public key {}: {why}", path.display())).hint(
                "name a file that `openssl pkey -in KEY.pem -pubout` wrote from a key of `openssl genpkey -algorithm ed25519`",
            )
        };
        let text = std::fs::read_to_string(path).map_err(|error| refuse(&error))?;
        Self::parse(&text, name).ok_or_else(|| refuse(&"it is no Ed25519 public key in PEM"))
    }

    /// Parses PEM. `None` if it is no public key of Ed25519.
    pub(super) fn parse(pem: &str, name: impl Into<String>) -> Option<Self> {
        let der = unwrap_pem(pem, PUBLIC)?;
        let bytes = der.strip_prefix(&SPKI[..])?.try_into().ok()?;
        Some(Self { bytes, name: name.into() })
    }

    fn der(&self) -> Vec<u8> {
        [&SPKI[..], &self.bytes].concat()
    }

    /// The key as PEM.
    pub fn pem(&self) -> String {
        let text = BASE64_STANDARD.encode(self.der());
        format!("-----BEGIN {PUBLIC}-----\n{text}\n-----END {PUBLIC}-----\n")
    }

    /// The start of the SHA-256 of its DER form: `openssl pkey -pubin -in KEY.pem -outform DER | sha256sum`.
    pub fn fingerprint(&self) -> String {
        Sha256::of(&self.der()).chars().take(16).collect()
    }

    /// The name of its file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it made this signature.
    pub(super) fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.bytes).verify(message, signature).is_ok()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({} {})", self.name, self.fingerprint())
    }
}

impl SigningKey {
    /// Reads a PEM file, as `openssl genpkey -algorithm ed25519` writes it.
    pub fn read(path: &Path) -> Result<Self> {
        let refuse = |why: &dyn fmt::Display| {
            Error::usage(format!("reading the signing key {}: {why}", path.display()))
                .hint("name a file that `openssl genpkey -algorithm ed25519 -out KEY.pem` wrote, without a password")
        };
        let text = std::fs::read_to_string(path).map(Zeroizing::new).map_err(|error| refuse(&error))?;
        let der = unwrap_pem(&text, PRIVATE).map(Zeroizing::new);
        let pair = der.and_then(|der| Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).ok());
        let pair = pair.ok_or_else(|| refuse(&"it is no Ed25519 private key in PEM"))?;
        let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        Self::new(pair, name)
    }

    /// A new key, which is never written anywhere: for what lives no longer than its process.
    pub fn random(name: &str) -> Result<Self> {
        let doing = "making a signing key";
        let der = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).context(doing)?;
        Self::new(Ed25519KeyPair::from_pkcs8(der.as_ref()).context(doing)?, name.to_owned())
    }

    fn new(pair: Ed25519KeyPair, name: String) -> Result<Self> {
        let bytes = pair.public_key().as_ref().try_into().context("reading a public key")?;
        Ok(Self { pair, public: PublicKey { bytes, name } })
    }

    /// The public key of the same pair.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs bytes: the 64 bytes of Ed25519.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({:?})", self.public)
    }
}

impl Keyring {
    /// A key to sign with, and keys to trust.
    pub fn new(signer: Option<SigningKey>, trusted: Vec<PublicKey>) -> Self {
        Self { signer: signer.map(|key| Signer::Key(Arc::new(key))), trusted }
    }

    /// The file of a key to sign with, which is read when a backup begins, and keys to trust.
    pub fn reading(signer: Option<PathBuf>, trusted: Vec<PublicKey>) -> Self {
        Self { signer: signer.map(Signer::File), trusted }
    }

    /// A new key that signs and is trusted, for what lives no longer than its process.
    pub fn random() -> Result<Self> {
        let signer = SigningKey::random("the key of this run")?;
        let trusted = vec![signer.public().clone()];
        Ok(Self::new(Some(signer), trusted))
    }

    /// The key that new manifests are signed with.
    pub(super) fn signer(&self) -> Result<Option<Arc<SigningKey>>> {
        match &self.signer {
            None => Ok(None),
            Some(Signer::Key(key)) => Ok(Some(key.clone())),
            Some(Signer::File(path)) => SigningKey::read(path).map(|key| Some(Arc::new(key))),
        }
    }

    /// The keys whose signatures are trusted.
    pub fn trusted(&self) -> &[PublicKey] {
        &self.trusted
    }
}

/// The bytes of a PEM block with this label; `None` if there is none.
fn unwrap_pem(text: &str, label: &str) -> Option<Vec<u8>> {
    let (_, rest) = text.split_once(&format!("-----BEGIN {label}-----"))?;
    let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
    let lines = Zeroizing::new(body.split_whitespace().collect::<String>());
    (lines.len() < 64 * LINE).then(|| BASE64_STANDARD.decode(lines.as_bytes()).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The key pair of RFC 8410, section 10.
    const PUBLIC_PEM: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
    const PRIVATE_PEM: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";

    #[test]
    fn the_keys_of_the_standard_are_read_and_fit_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let (private, public) = (folder.path().join("k.pem"), folder.path().join("k.pub.pem"));
        std::fs::write(&private, PRIVATE_PEM).unwrap();
        std::fs::write(&public, PUBLIC_PEM).unwrap();
        let (private, public) = (SigningKey::read(&private).unwrap(), PublicKey::read(&public).unwrap());
        assert_eq!((private.public().pem().as_str(), public.pem().as_str()), (PUBLIC_PEM, PUBLIC_PEM));
        assert!(
            public.has_signed(b"x", &private.sign(b"x")) && !public.has_signed(b"y", &private.sign(b"x"))
        );
        assert!(!format!("{private:?}").contains("MC4C"));
    }

    #[tokio::test]
    async fn the_signing_key_is_read_only_where_something_is_written() {
        use super::super::{GuardedRepository, LocalRepository, Repository as _};
        let folder = tempfile::tempdir().unwrap();
        let inner = Arc::new(LocalRepository::open(folder.path()).await.unwrap());
        let keys = Keyring::reading(Some(folder.path().join("gone.pem")), Vec::new());
        let repository = GuardedRepository::new(inner, keys, false);
        assert_eq!(repository.list().await.unwrap(), [""; 0]);
        let refused = repository.begin("a").await.err().unwrap();
        assert!(refused.kind() == comeback_error::ErrorKind::Usage && refused.message().contains("gone.pem"));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was begun");
    }

    #[test]
    fn what_is_no_key_is_refused_with_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("k.pem");
        for text in ["", "-----BEGIN PRIVATE KEY-----\n!\n-----END PRIVATE KEY-----", PUBLIC_PEM] {
            std::fs::write(&path, text).unwrap();
            let error = SigningKey::read(&path).unwrap_err();
            assert!(
                error.message().contains("k.pem") && error.hints()[0].contains("openssl genpkey"),
                "{error}"
            );
        }
        std::fs::write(&path, PRIVATE_PEM).unwrap();
        assert!(PublicKey::read(&path).unwrap_err().hints()[0].contains("-pubout"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in any::<String>(), body in "[A-Za-z0-9+/=\n-]{0,200}") {
            let _ = PublicKey::parse(&text, "");
            let _ = PublicKey::parse(&format!("-----BEGIN PUBLIC KEY-----{body}-----END PUBLIC KEY-----"), "");
        }
    }
}
