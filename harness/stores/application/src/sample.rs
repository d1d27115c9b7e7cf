//! Makes the sample data usable for the application, before it is backed up.

use comeback_error::{Context as _, Error, Result};
use comeback_roadtrip::{known_api_key, seal_api_keys};
use serde_json::json;
use sqlx::PgConnection;

use crate::client::{AppClient, Request};
use crate::configuration::KeyVersions;
use crate::judges::Expectation;
use crate::vault;

/// A user who can sign in, and what the application has for this user.
#[derive(Debug, Clone)]
pub struct Somebody {
    email: String,
    api_key: String,
    journey: i64,
    story: i64,
    other_story: i64,
}

/// A pitch that the sample data does not use.
const PITCH: usize = 9_001;
/// A photo of the sample data; its object is among the first ones.
const PHOTO: &str = "/photos/1";

/// Seals every stored API key with the newest vault key, because the ciphertext of the sample data is random. Returns a
/// user who has one. The connection is the superuser's.
pub async fn prepare_sample(connection: &mut PgConnection, vault_keys: &KeyVersions) -> Result<Somebody> {
    let doing = "preparing the sample data for the application";
    seal_api_keys(connection, &vault::vault_keys(vault_keys)?).await?;
    let sql = "select u.id, u.email::text, k.id::text, j.id, \
        (select min(id) from roadtrip.stories where status = 'published'), \
        (select max(id) from roadtrip.stories where status = 'published') from vault.api_keys k \
        join roadtrip.users u on u.id = k.user_id join roadtrip.journeys j on j.user_id = u.id \
        order by k.prefix, j.id limit 1";
    let (user, email, api_key, journey, story, other_story): (i64, String, String, i64, i64, i64) =
        sqlx::query_as(sql).fetch_one(&mut *connection).await.context(doing)?;
    // Whether this user may sign in depends on the seed.
    sqlx::query("update roadtrip.users set status = 'active', deleted_at = null where id = $1")
        .bind(user)
        .execute(connection)
        .await
        .context(doing)?;
    Ok(Somebody { email, api_key, journey, story, other_story })
}

impl Somebody {
    /// Signs in, and records what the application answers now, which it must answer after the restore as well: the
    /// session, and a stored API key.
    pub async fn record(&self, client: &AppClient) -> Result<Vec<Expectation>> {
        let token = self.sign_in(client).await?;
        let session = Request::get("/me").session(&token);
        let open = Request::get(format!("/api-keys/{}", self.api_key)).session(&token);
        let session = Expectation::record(client, Expectation::SESSION, session).await?;
        let api_key = Expectation::record(client, Expectation::API_KEY, open).await?;
        if api_key.answer.json()["key"] != json!(known_api_key(&self.api_key)) {
            return Err(Error::could_not_verify("the application opens another API key than was stored"));
        }
        Ok(vec![session, api_key])
    }

    /// Also books a pitch, and records that booking, a story and a photo. The node has a bucket.
    pub async fn record_everything(&self, client: &AppClient) -> Result<Vec<Expectation>> {
        let mut recorded = self.record(client).await?;
        let token = self.sign_in(client).await?;
        let book = self.booking_request(PITCH, "before").session(&token);
        let answer = client.send(&book).await?;
        let booked = answer.json()["id"].as_i64().ok_or_else(|| {
            Error::could_not_verify(format!("the application books nothing: {}", answer.text()))
        })?;
        let booking = Request::get(format!("/bookings/{booked}")).session(&token);
        for (what, request) in [
            (Expectation::BOOKING, booking),
            (Expectation::STORY, Request::get(format!("/stories/{}", self.story))),
            (Expectation::PHOTO, Request::get(PHOTO)),
        ] {
            recorded.push(Expectation::record(client, what, request).await?);
        }
        Ok(recorded)
    }

    /// What the application must answer without the sessions of before: in a new one. Left out is what needs an old one.
    pub async fn renewed(&self, client: &AppClient, recorded: &[Expectation]) -> Result<Vec<Expectation>> {
        let token = self.sign_in(client).await?;
        let kept = recorded.iter().filter(|one| one.what != Expectation::SESSION).cloned();
        Ok(kept.map(|one| one.in_session(&token)).collect())
    }

    /// Asks for a pitch, under an idempotency key.
    pub(crate) fn booking_request(&self, pitch: usize, key: &str) -> Request {
        let body = json!({
            "journey": self.journey, "pitch": pitch, "price_cents": 4_900,
            "from": "2031-05-01T12:00:00Z", "until": "2031-05-03T10:00:00Z",
        });
        Request::post("/bookings", &body).header("idempotency-key", key)
    }

    /// Asks for a story that is in no other recorded answer.
    pub(crate) fn other_story_request(&self) -> Request {
        Request::get(format!("/stories/{}", self.other_story))
    }

    pub(crate) fn sign_in_request(&self) -> Request {
        Request::post("/sign-in", &json!({ "email": self.email }))
    }

    /// Creates a session, and returns its token.
    pub(crate) async fn sign_in(&self, client: &AppClient) -> Result<String> {
        let answer = client.send(&self.sign_in_request()).await?;
        let json = answer.json();
        json["token"].as_str().map(ToOwned::to_owned).ok_or_else(|| {
            Error::could_not_verify(format!("nobody can sign in to the application: {}", answer.text()))
        })
    }
}
