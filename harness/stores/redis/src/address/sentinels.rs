//! Sentinels, and the name under which they know a primary.

use std::fmt;

use comeback_error::{Error, Result};

use super::login::Login;
use super::text::{Parts, decode, encode, join_port, parse_query, split_port, unreadable, write_parameters};
use crate::tls::{Tls, TlsFiles};

/// The port if an address names none.
const SENTINEL_PORT: u16 = 26379;

/// Sentinels that know a primary by name, and how to log in to them and to the servers that they name.
#[derive(Debug, Clone)]
pub struct Sentinels {
    /// Their hosts and ports, in the order of the address.
    pub(crate) places: Vec<(String, u16)>,
    /// The name of the primary and its replicas, as `sentinel monitor` gave it.
    pub(crate) name: String,
    /// TLS, of the sentinels and of the servers.
    pub(crate) tls: Option<Tls>,
    /// The log-in to the servers.
    pub(crate) login: Login,
    /// The log-in to the sentinels.
    pub(crate) own_login: Login,
}

impl Sentinels {
    /// Parses `[user@]host[:port][,host[:port]…]/name`, behind the scheme.
    pub(super) fn parse(rest: &str, is_encrypted: bool) -> Result<Self> {
        let Parts { user, place, query } = Parts::split(rest)?;
        let (places, name) = place.split_once('/').ok_or_else(nameless)?;
        let name = decode(name.strip_suffix('/').unwrap_or(name))?;
        if name.is_empty() {
            return Err(nameless());
        }
        let place = |text| {
            let (host, port) = split_port(text, SENTINEL_PORT).ok_or_else(unreadable)?;
            Ok((host.to_owned(), port))
        };
        let places = places.split(',').map(place).collect::<Result<Vec<_>>>()?;
        let (files, sentinel_user) = parse_query(query, true)?;
        let login = Login { user, password: None };
        let own_login = Login { user: sentinel_user, password: None };
        let mut sentinels = Self { places, name, tls: None, login, own_login };
        sentinels.set_tls(files, is_encrypted)?;
        Ok(sentinels)
    }

    fn set_tls(&mut self, files: TlsFiles, is_encrypted: bool) -> Result<()> {
        self.tls = Tls::of_scheme(files, is_encrypted)?;
        Ok(())
    }

    /// The same with these passwords, and with files of TLS besides those in the address.
    pub(super) fn with_login(mut self, login: &super::Credentials) -> Result<Self> {
        let named = self.tls.as_ref().map(|tls| tls.files.clone());
        self.set_tls(named.clone().unwrap_or_default().or(&login.tls)?, named.is_some())?;
        self.login.password.clone_from(&login.password);
        self.own_login.password.clone_from(&login.sentinel_password);
        if self.own_login.user.is_some() && self.own_login.password.is_none() {
            return Err(Error::usage(
                "the address names a user of the sentinels, and no password is given for it",
            )
            .hint("put it into a file: --sentinel-password-file FILE"));
        }
        Ok(self)
    }

    /// Whether both name the same primary. The order of the sentinels does not matter.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.sorted() == other.sorted() && self.name == other.name
    }

    fn sorted(&self) -> Vec<String> {
        let mut places: Vec<_> = self.places.iter().map(|(host, port)| join_port(host, *port)).collect();
        places.sort();
        places
    }

    /// The name under which backups are kept: it is the same after a failover. Log-ins and files are not part of it.
    pub(super) fn source(&self) -> String {
        format!("{}://{}/{}", self.scheme(), self.sorted().join(","), encode(&self.name))
    }

    fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "rediss+sentinel" } else { "redis+sentinel" }
    }
}

fn nameless() -> Error {
    Error::usage("the address of sentinels does not say of which primary")
        .hint("write redis+sentinel://HOST:PORT,HOST:PORT/NAME, with the name from `sentinel monitor`")
}

/// Prints the address in the form that is parsed, without passwords.
impl fmt::Display for Sentinels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places: Vec<_> = self.places.iter().map(|(host, port)| join_port(host, *port)).collect();
        write!(f, "{}://", self.scheme())?;
        if let Some(user) = &self.login.user {
            write!(f, "{}@", encode(user))?;
        }
        write!(f, "{}/{}", places.join(","), encode(&self.name))?;
        let user = self.own_login.user.as_deref().map(|user| ("sentinel-user", user));
        let files = self.tls.iter().flat_map(|tls| tls.files.parameters());
        write_parameters(f, user.into_iter().chain(files))
    }
}
