//! Where a server is, and how to log in.

use std::fmt;
use std::net::IpAddr;

use comeback_engine::secret::Secret;
use comeback_error::{Context as _, Error, Result};
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _, RedisConnectionInfo};

/// The port if an address names none.
const DEFAULT_PORT: u16 = 6379;

/// Where a server is, and how to log in. Its printed form leaves out the password.
#[derive(Debug, Clone)]
pub struct RedisAddress {
    place: Place,
    username: Option<String>,
    password: Option<Secret>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Tcp { host: String, port: u16 },
    Unix { path: String },
}

impl RedisAddress {
    /// A server that listens on a socket.
    pub(super) fn unix(path: impl Into<String>, password: &Secret) -> Self {
        Self { place: Place::Unix { path: path.into() }, username: None, password: Some(password.clone()) }
    }

    /// A server that listens on a port.
    pub(super) fn tcp(host: &str, port: u16, password: &Secret) -> Self {
        Self {
            place: Place::Tcp { host: host.to_owned(), port },
            username: None,
            password: Some(password.clone()),
        }
    }

    /// Parses `redis://[user@]host[:port]` or `unix:///path/to/socket`.
    ///
    /// An address with a password is an error: addresses come from the command line, which every user of the
    /// machine can read. The error does not repeat the password.
    pub fn parse(url: &str) -> Result<Self> {
        let (scheme, rest) = url.split_once("://").unwrap_or_default();
        match scheme {
            "unix" | "redis+unix" => {
                let path = rest.split(['?', '#']).next().unwrap_or_default();
                if !path.starts_with('/') || path != rest {
                    return Err(unreadable());
                }
                Ok(Self { place: Place::Unix { path: path.to_owned() }, username: None, password: None })
            }
            "redis" | "valkey" => Self::parse_tcp(rest),
            "rediss" | "valkeys" => Err(Error::usage("an address with TLS is not supported")
                .hint("connect through a tunnel that ends on this machine, such as stunnel or ssh -L")),
            _ => Err(unreadable()),
        }
    }

    fn parse_tcp(rest: &str) -> Result<Self> {
        let (login, place) =
            rest.rsplit_once('@').map_or((None, rest), |(login, place)| (Some(login), place));
        if login.is_some_and(|login| login.contains(':')) {
            return Err(Error::usage("an address on the command line must not hold a password").hint(
                "put it into the environment variable REDISCLI_AUTH, or into a file: --password-file FILE",
            ));
        }
        let place = place.strip_suffix('/').unwrap_or(place);
        if place.contains(['/', '?', '#']) {
            return Err(unreadable().hint("a backup is of all databases: name none"));
        }
        let (host, port) = split_port(place).ok_or_else(unreadable)?;
        let username = login.filter(|name| !name.is_empty()).map(ToOwned::to_owned);
        Ok(Self { place: Place::Tcp { host: host.to_owned(), port }, username, password: None })
    }

    /// The same server, with this password for logging in.
    #[must_use]
    pub fn with_password(self, password: Option<Secret>) -> Self {
        Self { password: password.or(self.password), ..self }
    }

    /// The same server, with another user for logging in.
    #[must_use]
    pub fn with_login(self, username: &str, password: Secret) -> Self {
        Self { username: Some(username.to_owned()), password: Some(password), ..self }
    }

    /// The same server, without logging in.
    #[must_use]
    pub fn without_login(self) -> Self {
        Self { username: None, password: None, ..self }
    }

    /// The address with the password in it, for the environment of a command: `redis://:PASSWORD@HOST:PORT`, or
    /// `unix:///PATH?password=PASSWORD`. A password of ours has letters and digits alone.
    pub fn url_with_password(&self) -> Secret {
        let Some(password) = self.password.as_ref().map(Secret::expose) else {
            return Secret::given(self.to_string());
        };
        let user = self.username.as_deref().unwrap_or_default();
        Secret::given(match &self.place {
            Place::Unix { path } if user.is_empty() => format!("unix://{path}?password={password}"),
            Place::Unix { path } => format!("unix://{path}?username={user}&password={password}"),
            Place::Tcp { .. } => {
                let place = Self { username: None, ..self.clone() }.to_string();
                place.replacen("://", &format!("://{user}:{password}@"), 1)
            }
        })
    }

    /// The password to log in with.
    pub fn password(&self) -> Option<&Secret> {
        self.password.as_ref()
    }

    /// Whether both addresses name the same place; the log-ins may differ.
    pub fn is_same_place(&self, other: &Self) -> bool {
        self.place == other.place
    }

    /// The server without the log-in. A place that only this machine can reach is named with the machine's
    /// host name, because every machine has its own.
    pub(super) fn server(&self) -> String {
        let place = self.clone().without_login();
        let is_here = match &self.place {
            Place::Unix { .. } => true,
            Place::Tcp { host, .. } => {
                host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
            }
        };
        if !is_here {
            return place.to_string();
        }
        // Without a host name, it is still a place of one machine.
        let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        format!("{place} on {}", name.trim())
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// The words of the log-in command, if there is a password.
    pub(super) fn login(&self) -> Option<Vec<&str>> {
        let password = self.password.as_ref()?.expose();
        Some(["AUTH"].into_iter().chain(self.username.as_deref()).chain([password]).collect())
    }

    /// The driver's options for connecting to a database.
    pub(super) fn info(&self, database: u32) -> Result<ConnectionInfo> {
        let place = match &self.place {
            Place::Tcp { host, port } => ConnectionAddr::Tcp(host.clone(), *port),
            Place::Unix { path } => ConnectionAddr::Unix(path.into()),
        };
        let mut login = RedisConnectionInfo::default().set_db(database.into()).set_skip_set_lib_name();
        if let Some(username) = &self.username {
            login = login.set_username(username);
        }
        if let Some(password) = &self.password {
            login = login.set_password(password.expose());
        }
        let info = place.into_connection_info().context("reading the address")?;
        Ok(info.set_redis_settings(login))
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
    let port = port.map_or(Some(DEFAULT_PORT), |port| port.parse().ok().filter(|port| *port != 0))?;
    let is_plain = !host.contains(':') || place.starts_with('[');
    (!host.is_empty() && is_plain).then_some((host, port))
}

fn unreadable() -> Error {
    Error::usage("this is no address of a server")
        .hint("write redis://HOST:PORT, redis://USER@HOST:PORT or unix:///PATH")
}

/// Prints the address in the form that is parsed, without the password.
impl fmt::Display for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Unix { path } => write!(f, "unix://{path}"),
            Place::Tcp { host, port } => {
                let login = self.username.as_ref().map(|name| format!("{name}@")).unwrap_or_default();
                let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
                write!(f, "redis://{login}{open}{host}{close}:{port}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_printed() {
        for (text, printed) in [
            ("redis://cache", "redis://cache:6379"),
            ("redis://cache:7000/", "redis://cache:7000"),
            ("redis://backup@cache:7000", "redis://backup@cache:7000"),
            ("valkey://[::1]:7000", "redis://[::1]:7000"),
            ("unix:///run/redis/redis.sock", "unix:///run/redis/redis.sock"),
        ] {
            assert_eq!(RedisAddress::parse(text).unwrap().to_string(), printed);
        }
    }

    #[test]
    fn a_place_of_this_machine_is_named_with_it() {
        let server = |url| RedisAddress::parse(url).unwrap().server();
        assert_eq!(server("redis://backup@cache:7000"), "redis://cache:7000");
        for here in ["redis://localhost", "redis://127.0.0.1:7000", "redis://[::1]", "unix:///run/r.sock"] {
            assert!(server(here).contains(" on "), "{here}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "cache:6379",
            "http://cache",
            "redis://",
            "redis://:6379",
            "redis://cache:port",
            "redis://cache:0",
            "redis://cache/3",
            "redis://::1",
            "rediss://cache",
            "unix://relative",
            "unix:///socket?db=3",
        ] {
            assert!(RedisAddress::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_password_in_an_address_is_refused_and_not_repeated() {
        let error = RedisAddress::parse("redis://user:hunter2@cache:6379").unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
        assert!(error.to_string().contains("REDISCLI_AUTH"), "{error}");
    }

    #[test]
    fn a_command_is_told_an_address_with_the_password() {
        let password = || Some(Secret::given("hunter2"));
        for (address, told) in [
            ("redis://cache:7000", "redis://:hunter2@cache:7000"),
            ("redis://app@[::1]:7000", "redis://app:hunter2@[::1]:7000"),
            ("unix:///run/r.sock", "unix:///run/r.sock?password=hunter2"),
        ] {
            let address = RedisAddress::parse(address).unwrap().with_password(password());
            assert_eq!(address.url_with_password().expose(), told);
        }
        assert_eq!(
            RedisAddress::parse("redis://cache").unwrap().url_with_password().expose(),
            "redis://cache:6379"
        );
    }

    #[test]
    fn a_password_is_not_printed() {
        let address =
            RedisAddress::parse("redis://cache").unwrap().with_password(Some(Secret::given("hunter2")));
        assert!(!format!("{address} {address:?}").contains("hunter2"));
    }
}
