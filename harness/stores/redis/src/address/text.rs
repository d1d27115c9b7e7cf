//! The parts of an address as text.

use std::borrow::Cow;
use std::fmt;

use comeback_error::{Error, Result};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::tls::TlsFiles;

/// Characters that are not encoded in an address. In paths, slashes are not encoded either.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const ENCODED_IN_PATH: &AsciiSet = &ENCODED.remove(b'/');

/// The parameters of an address.
const PARAMETERS: [&str; 5] = ["cacert", "cert", "key", "sni", "sentinel-user"];

pub(super) fn encode(name: &str) -> impl fmt::Display {
    utf8_percent_encode(name, ENCODED)
}

pub(super) fn encode_path(path: &str) -> impl fmt::Display {
    utf8_percent_encode(path, ENCODED_IN_PATH)
}

pub(super) fn decode(text: &str) -> Result<String> {
    let text = percent_decode_str(text).decode_utf8().map(Cow::into_owned).map_err(|_| unreadable())?;
    if text.chars().any(char::is_control) { Err(unreadable()) } else { Ok(text) }
}

/// An address without its scheme, in parts.
pub(super) struct Parts<'a> {
    pub(super) user: Option<String>,
    /// Up to the question mark.
    pub(super) place: &'a str,
    pub(super) query: &'a str,
}

impl<'a> Parts<'a> {
    /// Splits an address at its first `?` and, before that, at its last `@`. One with a password is an error that does
    /// not repeat it.
    pub(super) fn split(rest: &'a str) -> Result<Self> {
        let (before, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (login, place) =
            before.rsplit_once('@').map_or((None, before), |(login, place)| (Some(login), place));
        // A password with a question mark in it ends the first part early.
        let is_password = before.contains(':')
            && query.contains('@')
            && !PARAMETERS.iter().any(|name| query.split('=').next() == Some(name));
        if login.is_some_and(|login| login.contains(':')) || is_password {
            return Err(holds_password());
        }
        if place.contains('#') || query.contains('#') {
            return Err(unreadable());
        }
        let user = login.filter(|name| !name.is_empty()).map(decode).transpose()?;
        Ok(Self { user, place, query })
    }
}

/// What follows the question mark: the parameters of TLS and, for sentinels, the user that logs in to them.
pub(super) fn parse_query(query: &str, knows_sentinels: bool) -> Result<(TlsFiles, Option<String>)> {
    let (mut files, mut sentinel_user) = (TlsFiles::default(), None);
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=').ok_or_else(unreadable)?;
        let value = decode(value)?;
        match name {
            "password" | "pass" | "sentinel-password" => return Err(holds_password()),
            _ if value.is_empty() => {
                return Err(unreadable().hint(format!("the parameter {name} has no value")));
            }
            "sentinel-user" if knows_sentinels && sentinel_user.is_none() => sentinel_user = Some(value),
            _ if files.set(name, &value) => {}
            "cacert" | "cert" | "key" | "sni" | "sentinel-user" => {
                return Err(unreadable()
                    .hint(format!("the parameter {name} is not for this address, or is there twice")));
            }
            _ => {
                return Err(
                    unreadable().hint("its parameters are cacert, cert, key and sni, and sentinel-user")
                );
            }
        }
    }
    Ok((files, sentinel_user))
}

/// Writes the parameters of an address.
pub(super) fn write_parameters<'a>(
    f: &mut fmt::Formatter<'_>,
    parameters: impl Iterator<Item = (&'static str, &'a str)>,
) -> fmt::Result {
    for (number, (name, value)) in parameters.enumerate() {
        let before = if number == 0 { '?' } else { '&' };
        write!(f, "{before}{name}={}", encode_path(value))?;
    }
    Ok(())
}

/// A host and its port.
pub(super) fn split_port(place: &str, default: u16) -> Option<(&str, u16)> {
    let (host, port) = match place.strip_prefix('[') {
        Some(bracketed) => {
            let (host, rest) = bracketed.split_once(']')?;
            (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
        }
        None => place.rsplit_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
    };
    let port = port.map_or(Some(default), |port| port.parse().ok().filter(|port| *port != 0))?;
    let is_bracketed = place.starts_with('[');
    let fits = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c) || is_bracketed && ":%".contains(c);
    (!host.is_empty() && host.chars().all(fits)).then_some((host, port))
}

/// A host and its port as they are written in an address.
pub(super) fn join_port(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

pub(super) fn unreadable() -> Error {
    Error::usage("this is no address of a server").hint(
        "write redis://HOST:PORT, redis://USER@HOST:PORT, rediss:// for TLS, unix:///PATH, or \
         redis+sentinel://HOST:PORT,HOST:PORT/NAME",
    )
}

fn holds_password() -> Error {
    Error::usage("an address on the command line must not hold a password")
        .hint("put it into the environment variable REDISCLI_AUTH, or into a file: --password-file FILE")
}
