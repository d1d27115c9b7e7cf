//! What a client does with a service, and what it sees.

use std::net::SocketAddr;
use std::sync::Arc;

use comeback_error::Result;

use super::{Bookings, Lookup};
use crate::client::{AppClient, Request};
use crate::judges::Expectation;
use crate::sample::Somebody;

/// A service that a client uses.
pub struct Service {
    /// Its name in reports, such as `bookings`.
    pub name: &'static str,
    /// The priority tier that it belongs to; `None` if nothing says which.
    pub tier: Option<String>,
    /// What the client does.
    pub asks: Use,
    /// Who signs in again when the application no longer knows the session; `None` if it must know it.
    pub signs_in_again: Option<Somebody>,
}

/// How a client uses a service, in each round.
pub enum Use {
    /// It asks what it asked before the disaster, and knows the answers.
    Same(Vec<Expectation>),
    /// It signs in and out.
    SignIn(Somebody),
    /// It books; after the disaster it asks again for a booking that it had.
    Book(Arc<Bookings>),
}

/// What a client saw.
#[derive(Debug)]
pub(super) enum Saw {
    /// The right answer.
    Right,
    /// Another answer, with what was wrong about it.
    Wrong(String),
    /// That it does not know the session.
    Stranger(String),
    /// None, or that the application cannot answer now.
    Nothing(String),
}

impl Use {
    /// Whether it writes.
    pub(super) fn writes(&self) -> bool {
        matches!(self, Self::SignIn(_) | Self::Book(_))
    }
}

/// A client and what it remembers between rounds.
pub(super) struct Client {
    lookup: Lookup,
    address: Option<SocketAddr>,
    /// Its session, if it signed in again.
    token: Option<String>,
}

impl Client {
    pub(super) fn new(lookup: Lookup) -> Self {
        Self { lookup, address: None, token: None }
    }

    /// One round: finds the application, and uses the service.
    pub(super) async fn ask(&mut self, service: &Service, keeps_address: bool) -> (Option<SocketAddr>, Saw) {
        let kept = self.address.filter(|_| keeps_address);
        let address = match kept {
            Some(address) => address,
            None => match (self.lookup)().await {
                Ok(address) => address,
                Err(error) => return (None, Saw::Nothing(error.message().to_owned())),
            },
        };
        self.address = Some(address);
        (Some(address), self.once(service, &AppClient::new(address)).await)
    }

    async fn once(&mut self, service: &Service, client: &AppClient) -> Saw {
        match &service.asks {
            Use::Same(expected) => {
                for one in expected {
                    let known = self
                        .token
                        .as_ref()
                        .map_or_else(|| one.clone(), |token| one.clone().in_session(token));
                    let saw = match (known.compare(client).await, &service.signs_in_again) {
                        (Saw::Stranger(_), Some(somebody)) => match somebody.sign_in(client).await {
                            Ok(token) => {
                                let again = one.clone().in_session(&token);
                                self.token = Some(token);
                                again.compare(client).await
                            }
                            Err(error) => Saw::Nothing(error.message().to_owned()),
                        },
                        (saw, _) => saw,
                    };
                    if !matches!(saw, Saw::Right) {
                        return saw;
                    }
                }
                Saw::Right
            }
            Use::SignIn(somebody) => match somebody.sign_in_and_out(client).await {
                Ok(saw) => saw,
                Err(error) => Saw::Nothing(error.message().to_owned()),
            },
            Use::Book(bookings) => bookings.once(client).await,
        }
    }
}

impl Expectation {
    /// Asks again, and compares.
    async fn compare(&self, client: &AppClient) -> Saw {
        match client.send(&self.request).await {
            Ok(answer) if answer == self.answer => Saw::Right,
            Ok(answer) => Saw::of(answer.status, format!("{}: {}", self.what, self.differs(&answer))),
            Err(error) => Saw::Nothing(error.message().to_owned()),
        }
    }
}

impl Saw {
    /// An answer that is not the right one: the application says that it cannot, or it says something else.
    pub(super) fn of(status: u16, why: String) -> Self {
        match status {
            500.. => Self::Nothing(why),
            401 => Self::Stranger(why),
            _ => Self::Wrong(why),
        }
    }
}

impl Somebody {
    /// Creates a session, and ends it.
    async fn sign_in_and_out(&self, client: &AppClient) -> Result<Saw> {
        let answer = client.send(&self.sign_in_request()).await?;
        let Some(token) = answer.json()["token"].as_str().map(str::to_owned) else {
            return Ok(Saw::of(answer.status, format!("nobody can sign in: {}", answer.reason())));
        };
        let left = client.send(&Request::delete("/session").session(&token)).await?;
        Ok(match left.status {
            204 => Saw::Right,
            status => Saw::of(status, format!("nobody can sign out: {}", left.reason())),
        })
    }
}
