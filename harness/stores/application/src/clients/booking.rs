//! Bookings: what a client writes, and what becomes of it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use comeback_error::{Error, Result};
use comeback_model::ClientWrites;

use super::service::Saw;
use crate::client::{AppClient, Request};
use crate::sample::Somebody;

/// The first of the pitches that clients book. The sample data uses none of them.
const FIRST_PITCH: usize = 10_000;

/// The bookings of one client. Before the disaster each round makes another one. After it each round asks again for the
/// last one of before the backups, with its idempotency key: the application answers that only if it can write, and
/// changes nothing if the booking is there.
pub struct Bookings {
    somebody: Somebody,
    token: Mutex<String>,
    /// Whether it signs in again when the application no longer knows its session.
    signs_in_again: bool,
    made: Mutex<Made>,
}

#[derive(Default)]
struct Made {
    /// Each booking's number for the client, and its id.
    acknowledged: Vec<(usize, i64)>,
    next: usize,
    /// How many were acknowledged when the backups began.
    before_backup: usize,
    is_lost: bool,
}

impl Bookings {
    /// A client that is signed in.
    pub(crate) async fn of(somebody: &Somebody, client: &AppClient, signs_in_again: bool) -> Result<Self> {
        let token = Mutex::new(somebody.sign_in(client).await?);
        Ok(Self { somebody: somebody.clone(), token, signs_in_again, made: Mutex::default() })
    }

    fn token(&self) -> String {
        self.token.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Begins another session.
    async fn sign_in_again(&self, client: &AppClient) -> Result<()> {
        let token = self.somebody.sign_in(client).await?;
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = token;
        Ok(())
    }

    fn made(&self) -> MutexGuard<'_, Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn backups_begin(&self) {
        let mut made = self.made();
        made.before_backup = made.acknowledged.len();
    }

    pub(super) fn lose_region(&self) {
        self.made().is_lost = true;
    }

    /// The last booking of before the backups: its id.
    pub(crate) fn last_before_backup(&self) -> Result<i64> {
        self.made().last_before_backup().map(|(_, id)| id)
    }

    fn request(&self, number: usize) -> Request {
        let key = format!("client-{number}");
        self.somebody.booking_request(FIRST_PITCH + number, &key).session(&self.token())
    }

    pub(super) async fn once(&self, client: &AppClient) -> Saw {
        let again = {
            let made = self.made();
            if made.is_lost { Some(made.last_before_backup()) } else { None }
        };
        match again {
            None => self.book(client).await,
            Some(Ok((number, id))) => match self.ask_again(client, number, id).await {
                Saw::Stranger(_) if self.signs_in_again => match self.sign_in_again(client).await {
                    Ok(()) => self.ask_again(client, number, id).await,
                    Err(error) => Saw::Nothing(error.message().to_owned()),
                },
                saw => saw,
            },
            Some(Err(error)) => Saw::Nothing(error.message().to_owned()),
        }
    }

    async fn book(&self, client: &AppClient) -> Saw {
        let number = self.made().take_number();
        let answer = match client.send(&self.request(number)).await {
            Ok(answer) => answer,
            Err(error) => return Saw::Nothing(error.message().to_owned()),
        };
        match answer.json()["id"].as_i64() {
            Some(id) => {
                self.made().acknowledged.push((number, id));
                Saw::Right
            }
            None => Saw::of(answer.status, format!("nobody can book: {}", answer.reason())),
        }
    }

    async fn ask_again(&self, client: &AppClient, number: usize, id: i64) -> Saw {
        match client.send(&self.request(number)).await {
            Ok(answer) if answer.status == 200 && answer.json()["id"].as_i64() == Some(id) => Saw::Right,
            Ok(answer) if answer.status == 201 => {
                Saw::Wrong(format!("booking {id} was not there, and was made anew"))
            }
            Ok(answer) => Saw::of(answer.status, format!("booking {id}: {}", answer.reason())),
            Err(error) => Saw::Nothing(error.message().to_owned()),
        }
    }

    /// Looks for every booking at a recovered application.
    pub(super) async fn look_for_all(&self, client: &AppClient) -> Result<ClientWrites> {
        let (all, before) = {
            let made = self.made();
            (made.acknowledged.clone(), made.before_backup)
        };
        // A client that never came here still has the session that was lost.
        if self.signs_in_again {
            self.sign_in_again(client).await?;
        }
        let mut writes = ClientWrites::default();
        for (at, (_, id)) in all.iter().enumerate() {
            let is_there = self.is_there(client, *id).await?;
            let (count, gone) = if at < before {
                (&mut writes.before_backup, &mut writes.missing)
            } else {
                (&mut writes.after_backup, &mut writes.lost)
            };
            *count += 1;
            *gone += u64::from(!is_there);
        }
        Ok(writes)
    }

    async fn is_there(&self, client: &AppClient, id: i64) -> Result<bool> {
        let answer = client.send(&Request::get(format!("/bookings/{id}")).session(&self.token())).await?;
        match answer.status {
            200 => Ok(true),
            404 => Ok(false),
            status => Err(Error::could_not_verify(format!(
                "the application does not say whether booking {id} is there: status {status}, {}",
                answer.reason()
            ))),
        }
    }
}

impl Made {
    fn take_number(&mut self) -> usize {
        self.next += 1;
        self.next
    }

    fn last_before_backup(&self) -> Result<(usize, i64)> {
        let before = self.acknowledged.get(..self.before_backup).unwrap_or_default();
        let none = || Error::could_not_verify("no client booked anything before the backups");
        before.last().copied().ok_or_else(none)
    }
}
