//! A client that tries to write as the application does, to see whether a server accepts it.

use async_trait::async_trait;
use comeback_engine::prober::WriteProbe;
use comeback_engine::secret::{Secret, SecretBytes};
use comeback_model::TryOutcome;
use redis::pipe;

use super::address::RedisAddress;
use super::client::RedisClient;

/// The key of the tries. It is there only within a transaction, so that the keyspace stays as it is.
const KEY: &str = "comeback:try";

/// Tries to set a key, on one connection for as long as it lasts.
pub struct KeyProbe {
    address: RedisAddress,
    client: Option<RedisClient>,
}

impl KeyProbe {
    /// Tries at a server, with the log-in of a user.
    pub fn new(address: &RedisAddress, user: &str, password: &SecretBytes) -> Self {
        let password = Secret::given(&*String::from_utf8_lossy(password.expose()));
        Self { address: address.clone().with_login(user, password), client: None }
    }
}

#[async_trait]
impl WriteProbe for KeyProbe {
    async fn try_write(&mut self, number: u64) -> TryOutcome {
        // Without an answer, the connection is not used again.
        let client = match self.client.take() {
            Some(client) => client,
            None => match RedisClient::connect(&self.address, 0).await {
                Ok(client) => client,
                Err(error) => return TryOutcome::Refused(error.message().to_owned()),
            },
        };
        let mut write = pipe();
        write.atomic().cmd("SET").arg(KEY).arg(number).ignore().cmd("DEL").arg(KEY);
        match client.attempt::<(u64,)>(&write).await {
            Ok(_) => {
                self.client = Some(client);
                TryOutcome::Accepted
            }
            // A transaction with a command that was refused is not carried out at all.
            Err(error) if error.code().is_some() => {
                self.client = Some(client);
                TryOutcome::Refused(error.to_string())
            }
            Err(error) => TryOutcome::Unanswered(error.to_string()),
        }
    }
}
