//! Where a server is, and how to log in.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, OnceLock};

use comeback_engine::secret::Secret;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::tls::{Tls, TlsMode};
use crate::error::{Error, Result};

/// The port if an address names none.
pub(crate) const PORT: u16 = 5432;
/// The role if an address names none: the superuser of every server that Comeback creates.
pub(crate) const SUPERUSER: &str = "postgres";
/// The database if an address names none: `initdb` creates it on every server.
const DATABASE: &str = "postgres";

/// Characters that are not encoded in an address. In paths, slashes are not encoded either.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const ENCODED_IN_PATH: &AsciiSet = &ENCODED.remove(b'/');

/// Where a server is, and how to log in. Its printed form leaves out the password.
#[derive(Debug, Clone)]
pub struct PostgresAddress {
    place: Place,
    user: String,
    database: String,
    tls: Tls,
    password: Option<Secret>,
    /// The server's major version, once it is known; clones share it.
    pub(crate) known_major: Arc<OnceLock<u32>>,
    is_ours: bool,
}

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// A port of a host.
    Tcp { host: String, port: u16 },
    /// A socket in a folder; the port is part of its name.
    Unix { dir: String, port: u16 },
}

impl PostgresAddress {
    /// One of our servers, listening on a socket.
    pub(crate) fn unix(dir: impl Into<String>, port: u16, password: &Secret) -> Self {
        Self::ours(Place::Unix { dir: dir.into(), port }, password)
    }

    /// One of our servers, listening on a port of this machine, without encryption.
    pub(crate) fn tcp(host: impl Into<String>, port: u16, password: &Secret) -> Self {
        Self::ours(Place::Tcp { host: host.into(), port }, password)
    }

    fn ours(place: Place, password: &Secret) -> Self {
        let (user, database) = (SUPERUSER.to_owned(), DATABASE.to_owned());
        let password = Some(password.clone());
        Self { place, user, database, tls: Tls::NONE, password, known_major: Arc::default(), is_ours: true }
    }

    /// Whether it is a throw-away server that Comeback created, with Comeback's role as superuser.
    pub(crate) fn is_ours(&self) -> bool {
        self.is_ours
    }

    /// The same server with a known major version, so that it need not be queried.
    #[must_use]
    pub(crate) fn of_major(self, major: u32) -> Self {
        Self { known_major: Arc::new(OnceLock::from(major)), ..self }
    }

    /// The same server, logging in as another role.
    #[must_use]
    pub(crate) fn of_user(self, user: &str) -> Self {
        Self { user: user.to_owned(), ..self }
    }

    /// Parses `postgres://[user@]host[:port]/[database]`, or for a socket
    /// `postgres://[user@]/[database]?host=/dir`. Other parameters are `sslmode`, `sslrootcert` and, for a
    /// socket, `port`. The default user is `postgres`.
    ///
    /// An address with a password is an error: addresses come from the command line, which every user of the
    /// machine can read. Error messages repeat no part of the address.
    pub fn parse(url: &str) -> Result<Self> {
        let rest = url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://"));
        let rest = rest.filter(|rest| !rest.contains('#')).ok_or_else(unreadable)?;
        if rest.rsplit_once('@').is_some_and(|(before, _)| before.contains(':')) {
            return Err(holds_password().hint("an @ that is part of a name is written %40"));
        }
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, place) = authority.rsplit_once('@').unwrap_or(("", authority));
        let Parameters { dir, port, mode, root } = Parameters::parse(query)?;
        let (place, tls) = match dir {
            Some(dir) if place.is_empty() => {
                if mode.as_deref().is_some_and(|mode| mode != TlsMode::Disable.as_str()) || root.is_some() {
                    return Err(Error::usage("a connection through a socket is never encrypted")
                        .hint("leave sslmode and sslrootcert out"));
                }
                (Place::Unix { dir, port: port.unwrap_or(PORT) }, Tls::NONE)
            }
            None if port.is_none() => {
                let (host, port) = split_port(place).ok_or_else(unreadable)?;
                (Place::Tcp { host: host.to_owned(), port }, Tls::parse(mode.as_deref(), root)?)
            }
            _ => return Err(unreadable()),
        };
        let or = |name: &str, other: &str| {
            decode(name).map(|name| if name.is_empty() { other.to_owned() } else { name })
        };
        let (user, database) = (or(user, SUPERUSER)?, or(database, DATABASE)?);
        Ok(Self { place, user, database, tls, password: None, known_major: Arc::default(), is_ours: false })
    }

    /// The same server, with this password for logging in.
    #[must_use]
    pub fn with_password(self, password: Option<Secret>) -> Self {
        Self { password: password.or(self.password), ..self }
    }

    /// Whether both addresses name the same place; user and database may differ.
    pub fn is_same_place(&self, other: &Self) -> bool {
        self.place == other.place
    }

    /// The database in the address. Queries about the whole cluster go to it.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// The role that logs in.
    pub fn user(&self) -> &str {
        &self.user
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    pub(crate) fn tls(&self) -> &Tls {
        &self.tls
    }

    /// The password to log in with.
    pub fn password(&self) -> Option<&Secret> {
        self.password.as_ref()
    }

    /// The address of a database with the password in it, for the environment of a command: libpq and most drivers read
    /// this form.
    pub fn url_with_password(&self, database: &str) -> Secret {
        let inner = Self { database: database.to_owned(), ..self.clone() }.to_string();
        let Some(password) = &self.password else { return Secret::given(inner) };
        let password = utf8_percent_encode(password.expose(), ENCODED);
        Secret::given(inner.replacen('@', &format!(":{password}@"), 1))
    }

    /// The arguments of a client program; they never contain the password.
    pub(crate) fn client_args(&self) -> [String; 6] {
        let (host, port) = match &self.place {
            Place::Tcp { host, port } => (host, port),
            Place::Unix { dir, port } => (dir, port),
        };
        ["-h", host, "-p", &port.to_string(), "-U", &self.user].map(ToOwned::to_owned)
    }
}

/// The part of an address after the question mark.
#[derive(Default)]
struct Parameters {
    dir: Option<String>,
    port: Option<u16>,
    mode: Option<String>,
    root: Option<String>,
}

impl Parameters {
    fn parse(query: &str) -> Result<Self> {
        let mut parameters = Self::default();
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').ok_or_else(unreadable)?;
            let value = decode(value)?;
            match name {
                "host" if value.starts_with('/') => parameters.dir = Some(value),
                "port" => parameters.port = Some(parse_port(&value).ok_or_else(unreadable)?),
                "sslmode" => parameters.mode = Some(value),
                "sslrootcert" => parameters.root = Some(value),
                "password" | "passfile" | "sslpassword" => return Err(holds_password()),
                _ => {
                    return Err(
                        unreadable().hint("its parameters are host (a folder), port, sslmode, sslrootcert")
                    );
                }
            }
        }
        Ok(parameters)
    }
}

fn split_port(place: &str) -> Option<(&str, u16)> {
    let (host, port) = match place.strip_prefix('[') {
        Some(bracketed) => {
            let (host, rest) = bracketed.split_once(']')?;
            (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
        }
        None => place.rsplit_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
    };
    let port = port.map_or(Some(PORT), parse_port)?;
    let is_bracketed = place.starts_with('[');
    let fits = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c) || is_bracketed && c == ':';
    (!host.is_empty() && host.chars().all(fits)).then_some((host, port))
}

fn parse_port(text: &str) -> Option<u16> {
    text.parse().ok().filter(|port| *port != 0)
}

fn decode(text: &str) -> Result<String> {
    let text = percent_decode_str(text).decode_utf8().map(Cow::into_owned).map_err(|_| unreadable())?;
    // The protocol ends a name at a zero byte; a password file ends its line at a line end.
    if text.chars().any(char::is_control) { Err(unreadable()) } else { Ok(text) }
}

fn unreadable() -> Error {
    Error::usage("this is no address of a PostgreSQL server")
        .hint("write postgres://USER@HOST:PORT/DATABASE or postgres://USER@/DATABASE?host=/SOCKET/FOLDER")
}

fn holds_password() -> Error {
    Error::usage("an address on the command line must not hold a password").hint(
        "put it into the environment variable PGPASSWORD, or into a file: PGPASSFILE, or --password-file FILE",
    )
}

/// Prints only the place, for messages.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix { dir, port } => write!(f, "{dir}/.s.PGSQL.{port}"),
        }
    }
}

/// Prints the address in the form that is parsed, without the password.
impl fmt::Display for PostgresAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [user, database] = [&self.user, &self.database].map(|name| utf8_percent_encode(name, ENCODED));
        let path = |path| utf8_percent_encode(path, ENCODED_IN_PATH);
        match &self.place {
            Place::Unix { dir, port } => {
                write!(f, "postgres://{user}@/{database}?host={}&port={port}", path(dir))
            }
            place @ Place::Tcp { .. } => {
                write!(f, "postgres://{user}@{place}/{database}?{}", self.tls)?;
                self.tls.root.as_deref().map_or(Ok(()), |root| write!(f, "&sslrootcert={}", path(root)))
            }
        }
    }
}

#[cfg(test)]
mod tests;
