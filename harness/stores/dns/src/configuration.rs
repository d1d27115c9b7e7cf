//! Configurations of BIND for the name servers of a drill.
//!
//! Sources: BIND 9.18 Administrator Reference Manual, "Configuration Reference". No server is told to listen at
//! another place than its node's, to open a control channel, or to write files outside of its folder.

use std::fmt::Write as _;
use std::net::SocketAddrV4;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::ServiceName;
use crate::zone::{KEY_NAME, UpdateKey};

/// What a name server does.
#[derive(Clone)]
pub enum Role {
    /// It holds the zone, takes signed updates of the service's record, and notifies the secondary.
    Primary {
        /// The service.
        name: ServiceName,
        /// The key of updates and transfers.
        key: UpdateKey,
        /// Where it reaches the secondary.
        secondary: SocketAddrV4,
    },
    /// It holds a copy of the zone.
    Secondary {
        /// The service.
        name: ServiceName,
        /// The key of transfers.
        key: UpdateKey,
        /// Where it reaches the primary.
        primary: SocketAddrV4,
    },
    /// It holds no zone: it asks the authoritative servers, and remembers their answers.
    Resolver {
        /// The service.
        name: ServiceName,
        /// Where it reaches the authoritative servers.
        authoritative: Vec<SocketAddrV4>,
        /// How long it remembers an answer at least, in seconds, whatever its TTL; BIND allows at most 90. `None` to
        /// obey the TTL.
        least_ttl_s: Option<u32>,
    },
}

/// The name of the zone's file, in the server's folder.
pub(crate) const ZONE_FILE: &str = "zone";
/// The name of the file with the addresses of the root servers.
pub(crate) const HINTS_FILE: &str = "hints";
/// Root servers that are nowhere: a resolver of a drill asks nobody outside.
pub(crate) const HINTS: &str = ". 3600 IN NS a.root.invalid.\na.root.invalid. 3600 IN A 127.0.0.1\n";

impl Role {
    /// The text of `named.conf`, for a server that listens at `listen` and works in `dir`. It may contain the key.
    pub(crate) fn configuration(&self, listen: SocketAddrV4, dir: &str) -> String {
        let from = if listen.ip().is_unspecified() { "any".to_owned() } else { listen.ip().to_string() };
        // A NOTIFY is usually held back for some seconds, so that one stands for several updates.
        let mut text = format!(
            "controls {{ }};\n\
             options {{\n\
             directory \"{dir}\";\n\
             listen-on port {} {{ {from}; }};\n\
             listen-on-v6 {{ none; }};\n\
             pid-file none;\n\
             session-keyfile none;\n\
             dnssec-validation no;\n\
             allow-transfer {{ none; }};\n\
             allow-query {{ any; }};\n\
             notify explicit;\n\
             notify-delay 0;\n",
            listen.port()
        );
        match self {
            Self::Primary { name, key, secondary } => {
                text.push_str("recursion no;\n};\n");
                text.push_str(&key_clause(key));
                let ServiceName { zone, host } = name;
                let _ = write!(
                    text,
                    "zone \"{zone}\" {{\n\
                     type primary;\n\
                     file \"{ZONE_FILE}\";\n\
                     update-policy {{ grant {KEY_NAME} name {host} A; }};\n\
                     allow-transfer {{ key {KEY_NAME}; }};\n\
                     also-notify {{ {} }};\n\
                     }};\n",
                    with_key(*secondary)
                );
            }
            Self::Secondary { name, key, primary } => {
                text.push_str("recursion no;\n};\n");
                text.push_str(&key_clause(key));
                let _ = write!(
                    text,
                    "zone \"{}\" {{\n\
                     type secondary;\n\
                     file \"{ZONE_FILE}\";\n\
                     primaries {{ {} }};\n\
                     allow-notify {{ key {KEY_NAME}; }};\n\
                     }};\n",
                    name.zone,
                    with_key(*primary)
                );
            }
            Self::Resolver { name, authoritative, least_ttl_s } => {
                if let Some(least) = least_ttl_s {
                    let _ = writeln!(text, "min-cache-ttl {least};");
                }
                text.push_str("recursion yes;\nallow-recursion { any; };\n};\n");
                let forwarders = authoritative.iter().map(|to| format!("{} port {}; ", to.ip(), to.port()));
                let _ = write!(
                    text,
                    "zone \".\" {{ type hint; file \"{HINTS_FILE}\"; }};\n\
                     zone \"{}\" {{ type forward; forward only; forwarders {{ {}}}; }};\n",
                    name.zone,
                    forwarders.collect::<String>()
                );
            }
        }
        text
    }
}

fn key_clause(key: &UpdateKey) -> String {
    let secret = STANDARD.encode(key.bytes());
    format!("key \"{KEY_NAME}\" {{ algorithm hmac-sha256; secret \"{secret}\"; }};\n")
}

fn with_key(server: SocketAddrV4) -> String {
    format!("{} port {} key {KEY_NAME};", server.ip(), server.port())
}
