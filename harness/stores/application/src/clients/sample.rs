//! The clients of the sample application.

use std::sync::Arc;

use comeback_error::Result;
use comeback_model::Plan;

use super::{Bookings, Service, Use};
use crate::client::AppClient;
use crate::judges::Expectation;
use crate::sample::Somebody;

/// The services that clients use, in the words of reports.
pub(crate) const SIGN_IN: &str = "sign-in";
pub(crate) const BOOKINGS: &str = "bookings";
pub(crate) const STORIES: &str = "stories";
/// What was recorded of the others: name, what was recorded, and the word by which a runbook's tier names it.
const RECORDED: [(&str, &str, &str); 3] = [
    ("sessions", Expectation::SESSION, "sessions"),
    ("API keys", Expectation::API_KEY, "api_keys"),
    ("photos", Expectation::PHOTO, "photos"),
];

/// Clients for everything that `somebody` can use, with what the application answers now. A service is of the tier of
/// the plan that names it. If sessions are lost with the region, clients sign in again, and nobody asks for an old one.
pub async fn sample_services(
    somebody: &Somebody,
    client: &AppClient,
    answered: &[Expectation],
    plan: &Plan,
    loses_sessions: bool,
) -> Result<(Vec<Service>, Arc<Bookings>)> {
    let bookings = Arc::new(Bookings::of(somebody, client, loses_sessions).await?);
    let story = Expectation::record(client, Expectation::STORY, somebody.other_story_request()).await?;
    let signs_in_again = loses_sessions.then(|| somebody.clone());
    let service = |name, word, asks| Service {
        name,
        tier: tier_of(plan, word),
        asks,
        signs_in_again: signs_in_again.clone(),
    };
    let mut services = vec![
        service(SIGN_IN, SIGN_IN, Use::SignIn(somebody.clone())),
        service(BOOKINGS, BOOKINGS, Use::Book(bookings.clone())),
        service(STORIES, STORIES, Use::Same(vec![story])),
    ];
    for (name, what, word) in RECORDED {
        if loses_sessions && what == Expectation::SESSION {
            continue;
        }
        let known: Vec<_> = answered.iter().filter(|one| one.what == what).cloned().collect();
        if !known.is_empty() {
            services.push(service(name, word, Use::Same(known)));
        }
    }
    Ok((services, bookings))
}

fn tier_of(plan: &Plan, word: &str) -> Option<String> {
    let tier = plan.tiers.iter().find(|tier| tier.what.to_lowercase().contains(word));
    tier.map(|tier| tier.name.clone())
}
