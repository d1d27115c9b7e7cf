//! Where a server is, and how to log in.

mod login;
mod sentinels;
mod text;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use comeback_engine::secret::Secret;
use comeback_error::{Error, Result};
use redis::RedisConnectionInfo;

pub(crate) use self::login::Login;
pub use self::sentinels::Sentinels;
use self::text::{
    Parts, encode, encode_path, join_port, parse_query, split_port, unreadable, write_parameters,
};
use super::tls::{Tls, TlsFiles};

/// The port if an address names none.
const DEFAULT_PORT: u16 = 6379;

/// Where a server is, and how to log in. Its printed form leaves out the password.
#[derive(Debug, Clone)]
pub struct RedisAddress {
    place: Place,
    tls: Option<Tls>,
    login: Login,
    /// The sentinels that named it.
    sentinels: Option<Arc<Sentinels>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Tcp { host: String, port: u16 },
    Unix { path: String },
}

/// What a user names: a server, or the sentinels that know which server is the primary.
#[derive(Debug, Clone)]
pub enum RedisUrl {
    /// A server.
    Server(RedisAddress),
    /// Sentinels.
    Sentinels(Arc<Sentinels>),
}

/// What an address on the command line does not hold.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    /// The password of the server's user.
    pub password: Option<Secret>,
    /// The password of the sentinels' user.
    pub sentinel_password: Option<Secret>,
    /// Files of TLS, besides those that the address names.
    pub tls: TlsFiles,
}

impl RedisUrl {
    /// Parses an address as [`RedisAddress::parse`] does, or
    /// `redis+sentinel://[user@]host[:port][,host[:port]…]/name[?sentinel-user=user]`; `rediss+sentinel` for TLS.
    pub fn parse(url: &str) -> Result<Self> {
        let (scheme, rest) = url.split_once("://").unwrap_or_default();
        let is_encrypted = match scheme {
            "redis+sentinel" | "valkey+sentinel" => false,
            "rediss+sentinel" | "valkeys+sentinel" => true,
            _ => return RedisAddress::parse(url).map(Self::Server),
        };
        Ok(Self::Sentinels(Arc::new(Sentinels::parse(rest, is_encrypted)?)))
    }

    /// The same, with what the address does not hold. A user without a password is an error: it would not log in.
    pub fn with_credentials(self, given: &Credentials) -> Result<Self> {
        let named = match self {
            Self::Server(address) => {
                let is_encrypted = address.tls.is_some();
                let files = address.tls.as_ref().map(|tls| tls.files.clone()).unwrap_or_default();
                let tls = Tls::of_scheme(files.or(&given.tls)?, is_encrypted)?;
                if given.sentinel_password.is_some() {
                    return Err(Error::usage(
                        "the address is not one of sentinels, and a password of theirs is given",
                    )
                    .hint("write redis+sentinel://HOST:PORT,HOST:PORT/NAME"));
                }
                Self::Server(RedisAddress { tls, ..address }.with_password(given.password.clone()))
            }
            Self::Sentinels(sentinels) => {
                let sentinels = Arc::unwrap_or_clone(sentinels).with_login(given)?;
                Self::Sentinels(Arc::new(sentinels))
            }
        };
        let login = match &named {
            Self::Server(address) => &address.login,
            Self::Sentinels(sentinels) => &sentinels.login,
        };
        if let (Some(user), None) = (&login.user, &login.password) {
            return Err(Error::usage(format!(
                "the address names the user {user}, and no password is given for it"
            ))
            .hint(
                "put it into the environment variable REDISCLI_AUTH, or into a file: --password-file FILE",
            ));
        }
        Ok(named)
    }

    /// Whether both name the same place; log-ins and files may differ.
    pub fn is_same_place(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Server(one), Self::Server(other)) => one.is_same_place(other),
            (Self::Sentinels(one), Self::Sentinels(other)) => one.is_same(other),
            _ => false,
        }
    }
}

impl RedisAddress {
    /// A server that listens on a socket.
    pub(super) fn unix(path: impl Into<String>, password: &Secret) -> Self {
        Self::ours(Place::Unix { path: path.into() }, password)
    }

    /// A server that listens on a port.
    pub(super) fn tcp(host: &str, port: u16, password: &Secret) -> Self {
        Self::ours(Place::Tcp { host: host.to_owned(), port }, password)
    }

    fn ours(place: Place, password: &Secret) -> Self {
        let login = Login { user: None, password: Some(password.clone()) };
        Self { place, tls: None, login, sentinels: None }
    }

    /// Parses `redis://[user@]host[:port]`, `rediss://…` for TLS, or `unix://[user@]/path/to/socket`. With TLS, the
    /// parameters `cacert`, `cert`, `key` and `sni` mean what the options of `redis-cli` mean.
    ///
    /// An address with a password is an error: addresses come from the command line, which every user of the
    /// machine can read. The error does not repeat the password.
    pub fn parse(url: &str) -> Result<Self> {
        let (scheme, rest) = url.split_once("://").unwrap_or_default();
        let is_encrypted = matches!(scheme, "rediss" | "valkeys");
        let is_socket = matches!(scheme, "unix" | "redis+unix");
        if !is_encrypted && !is_socket && !matches!(scheme, "redis" | "valkey") {
            return Err(unreadable());
        }
        let Parts { user, place, query } = Parts::split(rest)?;
        let (files, _) = parse_query(query, false)?;
        let place = if is_socket {
            if !place.starts_with('/') || !files.is_empty() {
                return Err(unreadable());
            }
            Place::Unix { path: text::decode(place)? }
        } else {
            let place = place.strip_suffix('/').unwrap_or(place);
            if place.contains('/') {
                return Err(unreadable().hint("a backup is of all databases: name none"));
            }
            let (host, port) = split_port(place, DEFAULT_PORT).ok_or_else(unreadable)?;
            Place::Tcp { host: host.to_owned(), port }
        };
        let tls = Tls::of_scheme(files, is_encrypted)?;
        Ok(Self { place, tls, login: Login { user, password: None }, sentinels: None })
    }

    /// A sentinel.
    pub(super) fn of_sentinel(sentinels: &Sentinels, (host, port): &(String, u16)) -> Self {
        let place = Place::Tcp { host: host.clone(), port: *port };
        Self { place, tls: sentinels.tls.clone(), login: sentinels.own_login.clone(), sentinels: None }
    }

    /// A server that sentinels named.
    pub(super) fn named_by(sentinels: &Arc<Sentinels>, host: &str, port: u16) -> Self {
        let place = Place::Tcp { host: host.to_owned(), port };
        let (tls, login) = (sentinels.tls.clone(), sentinels.login.clone());
        Self { place, tls, login, sentinels: Some(sentinels.clone()) }
    }

    /// Another server, reached in the same way.
    pub(super) fn beside(&self, host: &str, port: u16) -> Self {
        Self { place: Place::Tcp { host: host.to_owned(), port }, sentinels: None, ..self.clone() }
    }

    /// The same server, with this password for logging in.
    #[must_use]
    pub fn with_password(mut self, password: Option<Secret>) -> Self {
        self.login.password = password.or(self.login.password);
        self
    }

    /// The same server, with another user for logging in.
    #[must_use]
    pub fn with_login(self, username: &str, password: Secret) -> Self {
        Self { login: Login { user: Some(username.to_owned()), password: Some(password) }, ..self }
    }

    /// The same server, without logging in.
    #[must_use]
    pub fn without_login(self) -> Self {
        Self { login: Login::default(), ..self }
    }

    /// The address with the password in it, for the environment of a command: `redis://:PASSWORD@HOST:PORT`, or
    /// `unix:///PATH?password=PASSWORD`.
    pub fn url_with_password(&self) -> Secret {
        let Some(password) = self.password().map(Secret::expose) else {
            return Secret::given(self.to_string());
        };
        let (user, password) = (encode(self.login.user.as_deref().unwrap_or_default()), encode(password));
        Secret::given(match &self.place {
            Place::Unix { path } if self.login.user.is_none() => format!("unix://{path}?password={password}"),
            Place::Unix { path } => format!("unix://{path}?username={user}&password={password}"),
            Place::Tcp { .. } => {
                let place = self.clone().without_login().to_string();
                place.replacen("://", &format!("://{user}:{password}@"), 1)
            }
        })
    }

    /// The password to log in with.
    pub fn password(&self) -> Option<&Secret> {
        self.login.password.as_ref()
    }

    /// Whether both addresses name the same place; the log-ins may differ.
    pub fn is_same_place(&self, other: &Self) -> bool {
        self.place == other.place
    }

    /// The name under which backups of the server are kept: without the log-in, and that of the sentinels if they named
    /// it, which stays the same after a failover. A place that only this machine can reach is named with the machine's
    /// host name, because every machine has its own.
    pub(super) fn source(&self) -> String {
        let (name, is_here) = match (&self.sentinels, &self.place) {
            (Some(sentinels), _) => {
                (sentinels.source(), sentinels.places.iter().any(|(host, _)| is_this_machine(host)))
            }
            (None, Place::Unix { .. }) => (self.server(), true),
            (None, Place::Tcp { host, .. }) => (self.server(), is_this_machine(host)),
        };
        if !is_here {
            return name;
        }
        // Without a host name, it is still a place of one machine.
        let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        format!("{name} on {}", machine.trim())
    }

    /// The server, without log-in and files.
    pub(super) fn server(&self) -> String {
        let tls = self.tls.as_ref().map(|_| Tls::default());
        Self { tls, ..self.clone() }.without_login().to_string()
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    pub(super) fn tls(&self) -> Option<&Tls> {
        self.tls.as_ref()
    }

    pub(super) fn login(&self) -> &Login {
        &self.login
    }

    pub(super) fn sentinels(&self) -> Option<&Arc<Sentinels>> {
        self.sentinels.as_ref()
    }

    /// The driver's options for a database.
    pub(super) fn info(&self, database: u32) -> RedisConnectionInfo {
        let mut info = RedisConnectionInfo::default().set_db(database.into()).set_skip_set_lib_name();
        if let Some(password) = self.password() {
            info = info.set_password(password.expose());
            if let Some(user) = &self.login.user {
                info = info.set_username(user);
            }
        }
        info
    }
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Prints the address in the form that is parsed, without the password.
impl fmt::Display for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let login = self.login.user.as_ref().map(|user| format!("{}@", encode(user))).unwrap_or_default();
        match &self.place {
            Place::Unix { path } => write!(f, "unix://{login}{}", encode_path(path)),
            Place::Tcp { host, port } => {
                let scheme = if self.tls.is_some() { "rediss" } else { "redis" };
                write!(f, "{scheme}://{login}{}", join_port(host, *port))?;
                write_parameters(f, self.tls.iter().flat_map(|tls| tls.files.parameters()))
            }
        }
    }
}

/// Prints the address in the form that is parsed, without passwords.
impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(address) => address.fmt(f),
            Self::Sentinels(sentinels) => sentinels.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests;
