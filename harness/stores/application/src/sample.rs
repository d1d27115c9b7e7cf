//! Makes the sample data usable for the application, before it is backed up.

use comeback_error::{Context as _, Error, Result};
use comeback_roadtrip::{VaultKeys, known_api_key, seal_api_keys};
use serde_json::json;
use sqlx::PgConnection;

use crate::client::{AppClient, Request};
use crate::configuration::KeyVersions;
use crate::judges::Expectation;

/// A user who can sign in, and who has a stored API key.
#[derive(Debug, Clone)]
pub struct Somebody {
    email: String,
    api_key: String,
}

/// Seals every stored API key with the newest vault key, because the ciphertext of the sample data is random. Returns a
/// user who has one. The connection is the superuser's.
pub async fn prepare_sample(connection: &mut PgConnection, vault_keys: &KeyVersions) -> Result<Somebody> {
    let doing = "preparing the sample data for the application";
    let versions = vault_keys.iter().map(|(version, key)| Ok((i16::try_from(*version).context(doing)?, key)));
    let versions = versions.collect::<Result<Vec<_>>>()?;
    let newest = versions.last().ok_or_else(|| Error::could_not_verify("the vault key has no version"))?.0;
    let keys = VaultKeys::new(newest, versions.iter().map(|(version, key)| (*version, key.expose())))?;
    seal_api_keys(connection, &keys).await?;
    let sql = "select u.id, u.email::text, k.id::text from vault.api_keys k \
        join roadtrip.users u on u.id = k.user_id order by k.prefix limit 1";
    let (user, email, api_key): (i64, String, String) =
        sqlx::query_as(sql).fetch_one(&mut *connection).await.context(doing)?;
    // Whether this user may sign in depends on the seed.
    sqlx::query("update roadtrip.users set status = 'active', deleted_at = null where id = $1")
        .bind(user)
        .execute(connection)
        .await
        .context(doing)?;
    Ok(Somebody { email, api_key })
}

impl Somebody {
    /// Signs in, and records what the application answers now, which it must answer after the restore as well: the
    /// session, and a stored API key.
    pub async fn record(&self, client: &AppClient) -> Result<Vec<Expectation>> {
        let sign_in = Request::post("/sign-in", &json!({ "email": self.email }));
        let answer = client.send(&sign_in).await?;
        let json = answer.json();
        let token = json["token"].as_str().ok_or_else(|| {
            Error::could_not_verify(format!("nobody can sign in to the application: {}", answer.text()))
        })?;
        let session = Expectation::record(client, Expectation::SESSION, Request::get("/me").session(token));
        let open = Request::get(format!("/api-keys/{}", self.api_key)).session(token);
        let api_key = Expectation::record(client, Expectation::API_KEY, open);
        let (session, api_key) = (session.await?, api_key.await?);
        if api_key.answer.json()["key"] != json!(known_api_key(&self.api_key)) {
            return Err(Error::could_not_verify("the application opens another API key than was stored"));
        }
        Ok(vec![session, api_key])
    }
}
