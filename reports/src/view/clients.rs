//! What clients saw of a recovery.

use comeback_model::{ClientWrites, ClientsView, ServiceView, Verdict};
use serde::Serialize;

use super::words;
use crate::format::{count, duration};
use crate::text::one_line;

/// What clients saw, ready to be laid out.
#[derive(Serialize)]
pub(crate) struct Clients {
    pub(crate) services: Vec<ClientService>,
    /// What became of their writes, and what they wait for beside what was drilled, in sentences.
    pub(crate) told: Vec<String>,
}

/// A service as its clients saw it.
#[derive(Serialize)]
pub(crate) struct ClientService {
    pub(crate) name: String,
    /// `–` if no tier of the plan names it.
    pub(crate) tier: String,
    /// *Failed* if it is not back, or gave wrong answers.
    #[serde(serialize_with = "words::serialize")]
    pub(crate) verdict: Verdict,
    /// `away from 0.1 s to 8.2 s`, …
    pub(crate) away: String,
    /// The same with more: `away from 0.1 s to 8.2 s, 80 requests failed`.
    pub(crate) told: String,
    /// When it was away, in milliseconds since the declaration; the end is open if it is not back.
    pub(crate) away_ms: Option<(u64, Option<u64>)>,
}

impl Clients {
    pub(super) fn of(view: &ClientsView) -> Self {
        let mut told = vec![writes(view)];
        if view.shortened_ms > 0 {
            let more = duration(view.shortened_ms);
            told.push(format!(
                "as documented, clients wait {more} more: the TTL was drilled with a short one"
            ));
        }
        Self { services: view.services.iter().map(of_service).collect(), told }
    }
}

fn of_service(service: &ServiceView) -> ClientService {
    let is_good = service.back_ms.is_some() && service.wrong == 0;
    let away = match (service.first_error_ms, service.back_ms) {
        (Some(from), Some(back)) => format!("away from {} to {}", duration(from), duration(back)),
        (None, Some(back)) => format!("no request failed; at the new address after {}", duration(back)),
        (Some(from), None) => format!("away from {}, and not back", duration(from)),
        (None, None) => "never asked at the new address".to_owned(),
    };
    let counts = [
        (service.errors, "requests failed"),
        (service.later_errors, "failed later"),
        (service.wrong, "wrong answers"),
    ];
    let counts = counts.iter().filter(|(number, _)| *number > 0);
    let counts = counts.map(|(number, what)| format!("{} {what}", count(*number)));
    let told: Vec<_> = std::iter::once(away.clone()).chain(counts).collect();
    let problem = if is_good || service.last_problem.is_empty() {
        String::new()
    } else {
        format!("; the last: {}", one_line(&service.last_problem))
    };
    ClientService {
        name: one_line(&service.name),
        tier: service.tier.as_deref().map_or_else(|| "–".to_owned(), one_line),
        verdict: if is_good { Verdict::Verified } else { Verdict::Failed },
        told: format!("{}{problem}", told.join(", ")),
        away,
        away_ms: service.first_error_ms.map(|from| (from, service.back_ms)),
    }
}

fn writes(view: &ClientsView) -> String {
    let Some(ClientWrites { before_backup, missing, after_backup, lost }) = &view.writes else {
        return format!(
            "what became of acknowledged writes is not known: {}",
            one_line(&view.writes_unknown)
        );
    };
    format!(
        "of {} writes that were acknowledged before the backups, {} are missing; of {} after them, {} are lost",
        count(*before_backup),
        count(*missing),
        count(*after_backup),
        count(*lost)
    )
}
