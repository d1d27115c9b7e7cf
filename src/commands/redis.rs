//! The servers of Redis that commands are told of.

use std::path::Path;

use comeback_engine::secret::Secret;
use comeback_error::{Error, Result};
use comeback_model::ReplicaOf;
use comeback_redis::{Credentials, RedisAddress, RedisUrl, TlsFiles, find_server};
use comeback_reports::format;

use crate::cli::RedisLoginArgs;
use crate::output;

/// The environment variable in which `redis-cli` looks for a password, too.
const PASSWORD_VARIABLE: &str = "REDISCLI_AUTH";

/// What the user named, with the passwords from files or from the environment. Nothing is asked yet.
pub(super) fn named(url: &str, login: &RedisLoginArgs) -> Result<RedisUrl> {
    let password = match &login.password_file {
        Some(path) => password_in(path)?,
        None => {
            std::env::var(PASSWORD_VARIABLE).ok().filter(|password| !password.is_empty()).map(Secret::given)
        }
    };
    let sentinel_password = login.sentinel_password_file.as_deref().map(password_in).transpose()?.flatten();
    let RedisLoginArgs { cacert, cert, key, sni, .. } = login;
    let [cacert, cert, key, sni] = [cacert, cert, key, sni].map(Clone::clone);
    let tls = TlsFiles { cacert, cert, key, sni };
    RedisUrl::parse(url)?.with_credentials(&Credentials { password, sentinel_password, tls })
}

/// The password in a file; `None` if the file is empty.
fn password_in(path: &Path) -> Result<Option<Secret>> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Error::usage(format!("reading the password from {}: {error}", path.display()))
            .hint("the file holds the password and nothing else")
    })?;
    let password = text.trim_end_matches(['\r', '\n']);
    Ok((!password.is_empty()).then(|| Secret::given(password)))
}

/// The server that it leads to; the sentinels are asked, and what they say is told.
pub(super) async fn find(url: &RedisUrl) -> Result<RedisAddress> {
    let found = find_server(url).await?;
    if let RedisUrl::Sentinels(_) = url {
        output::error_line(&format!("the primary is {}", found.address));
    }
    for note in found.notes {
        output::error_line(&format!("warning: {note}"));
    }
    Ok(found.address)
}

/// What to say about a backup of a replica.
pub(super) fn about_replica(replica: &ReplicaOf) -> String {
    let ReplicaOf { primary, seconds_behind, bytes_behind, .. } = replica;
    match bytes_behind {
        Some(0) => format!(
            "the server is a replica of {primary}: the backup has all that its primary had written when it began"
        ),
        Some(bytes) => format!(
            "warning: the server is a replica of {primary}: the backup lacks {} of what its primary had written when it \
             began",
            format::bytes(*bytes)
        ),
        None => format!(
            "warning: the server is a replica of {primary}, heard from {seconds_behind} s ago: the backup may lack its \
             newest writes"
        ),
    }
}
