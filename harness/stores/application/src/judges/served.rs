//! Judge of a recovered application: it answers its users as before the disaster.

use async_trait::async_trait;
use comeback_engine::judge::{Judge, Opinion};
use comeback_error::{Error, Result};
use comeback_model::{Finding, FindingCode};
use serde_json::Value;

use crate::client::{Answer, AppClient, Request};

/// A request, and what the application answered to it before the disaster.
#[derive(Debug, Clone)]
pub struct Expectation {
    /// What is asked for, in reports.
    pub what: &'static str,
    /// The request, with its session.
    pub request: Request,
    /// The answer.
    pub answer: Answer,
}

impl Expectation {
    /// A session that was signed before the disaster.
    pub const SESSION: &'static str = "a session of before the disaster";
    /// An API key that was sealed before the disaster.
    pub const API_KEY: &'static str = "a stored API key";
    /// A story that everybody may read, with the rows of its photos.
    pub const STORY: &'static str = "a published story";
    /// The bytes of a photo.
    pub const PHOTO: &'static str = "a photo";
    /// A booking that was written before the disaster.
    pub const BOOKING: &'static str = "a booking of before the disaster";

    /// Records what the application answers now. Anything but success is an error: it proves nothing later.
    pub async fn record(client: &AppClient, what: &'static str, request: Request) -> Result<Self> {
        let answer = client.send(&request).await?;
        if answer.status != 200 {
            return Err(Error::could_not_verify(format!(
                "the application does not answer {request}: status {}, {}",
                answer.status,
                answer.reason()
            )));
        }
        Ok(Self { what, request, answer })
    }

    /// The same in another session, if it is asked for in one.
    pub(crate) fn in_session(self, token: &str) -> Self {
        let request = if self.request.has_session() { self.request.session(token) } else { self.request };
        Self { request, ..self }
    }

    /// How another answer differs from the recorded one, without what they say.
    pub(crate) fn differs(&self, answer: &Answer) -> String {
        difference(&self.answer, answer).1
    }
}

/// Checks that the application lacks nothing, and answers as was recorded. No finding holds what was answered: that may
/// be a secret.
pub struct ServedJudge<'a> {
    /// The application's users.
    pub client: &'a AppClient,
    /// What was recorded before the disaster.
    pub expected: &'a [Expectation],
}

#[async_trait]
impl Judge for ServedJudge<'_> {
    fn name(&self) -> &'static str {
        "served"
    }

    async fn judge(&self) -> Result<Opinion> {
        if self.expected.is_empty() {
            return Err(Error::could_not_verify("nothing was recorded that the application must answer"));
        }
        let readiness = self.client.readiness().await?;
        let mut findings: Vec<_> = readiness
            .missing()
            .map(|(name, why)| {
                Finding::new(FindingCode::AnswerWrong, name, "there for the application", why).remedy(
                    "look at the application's configuration: its addresses, and the versions of its secrets",
                )
            })
            .collect();
        for Expectation { what, request, answer } in self.expected {
            let actual = self.client.send(request).await?;
            if actual != *answer {
                let (expected, actual) = difference(answer, &actual);
                findings.push(
                    Finding::new(FindingCode::AnswerWrong, *what, expected, actual).remedy(
                        "compare the application's keys and servers with those of before the disaster",
                    ),
                );
            }
        }
        let asked: Vec<_> = self.expected.iter().map(|one| one.what).collect();
        Ok(Opinion::new(format!("the application answers for {}", asked.join(" and ")), findings))
    }
}

/// How two answers differ, without what they say.
fn difference(expected: &Answer, actual: &Answer) -> (String, String) {
    if expected.status != actual.status {
        let said = format!("status {}: {}", actual.status, actual.reason());
        return (format!("status {}", expected.status), said);
    }
    let (Value::Object(one), Value::Object(other)) = (expected.json(), actual.json()) else {
        return ("the recorded answer".to_owned(), "another one".to_owned());
    };
    let fields: Vec<_> = one.keys().filter(|name| one.get(*name) != other.get(*name)).cloned().collect();
    ("the recorded answer".to_owned(), format!("other values of {}", fields.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_told_without_the_values() {
        let answer = |status, body: &str| Answer { status, body: body.as_bytes().to_vec() };
        let right = answer(200, r#"{"id":1,"key":"hunter2"}"#);
        let refused = answer(500, r#"{"error":"x","message":"version 3 does not open it"}"#);
        assert_eq!(difference(&right, &refused).1, "status 500: version 3 does not open it");
        assert_eq!(difference(&right, &answer(200, r#"{"id":1,"key":"other"}"#)).1, "other values of key");
        assert_eq!(difference(&right, &answer(200, "hunter2")).1, "another one");
    }
}
