//! Judges a recovery as clients saw it: is every service back, in time, with the right answers and all writes?

use async_trait::async_trait;
use comeback_error::{Error, Result};
use comeback_model::{
    ClientWrites, ClientsView, Finding, FindingCode, NotLookedAt, Plan, ScopeKind, ServiceView,
};

use super::objective::seconds;
use super::{Judge, Opinion};

/// Compares what clients saw with the limits of a plan's tiers, and with what they were told before the disaster.
pub struct ClientsJudge<'a> {
    /// The plan, with its tiers.
    pub plan: &'a Plan,
    /// What clients saw.
    pub view: &'a ClientsView,
    /// When the drill led them to the new address, since the declaration, in milliseconds; `None` if it did not.
    pub recovered_ms: Option<u64>,
}

#[async_trait]
impl Judge for ClientsJudge<'_> {
    fn name(&self) -> &'static str {
        "clients"
    }

    async fn judge(&self) -> Result<Opinion> {
        let Self { plan, view, .. } = self;
        if view.services.is_empty() {
            return Err(Error::could_not_verify("no client used anything"));
        }
        let services = view.services.iter().flat_map(of_service);
        let late = plan.tiers.iter().filter_map(|tier| {
            let (limit, back_ms) = (tier.limit.as_ref()?, view.tier_back_ms(&tier.name)?);
            let expected = format!("at most {} ({}:{})", seconds(limit.upper_ms), limit.source.file, limit.source.line);
            (!limit.is_met_by(back_ms)).then(|| {
                let actual = format!("clients had it back after {}", seconds(back_ms));
                Finding::new(FindingCode::ObjectiveMissed, &tier.name, expected, actual).remedy(
                    "look at the last of its services in the clients' view, and at the steps that clients waited for",
                )
            })
        });
        let findings: Vec<_> = services.chain(of_writes(view)).chain(late).collect();
        let used = |tier: &str| view.services.iter().any(|service| service.tier.as_deref() == Some(tier));
        let unused = plan.tiers.iter().filter(|tier| !used(&tier.name)).map(|tier| {
            NotLookedAt::new(ScopeKind::Tier, &tier.name, "no client of the drill uses anything of it")
        });
        Ok(Opinion::new(self.summary(), findings).not_looked_at(unused))
    }
}

fn of_service(service: &ServiceView) -> Vec<Finding> {
    let mut findings = Vec::new();
    if service.back_ms.is_none() {
        let actual = format!("{} requests failed; the last: {}", service.errors, service.last_problem);
        findings.push(
            Finding::new(FindingCode::ServiceDown, &service.name, "an answer at the new address", actual)
                .remedy("find out where its clients look for it, and restart those that hold on to an old address"),
        );
    }
    if service.wrong > 0 {
        let asked = service.wrong.saturating_add(service.right);
        let actual = format!("{} of {asked} were others; the last: {}", service.wrong, service.last_problem);
        findings.push(
            Finding::new(
                FindingCode::AnswerWrong,
                &service.name,
                "the answers of before the disaster",
                actual,
            )
            .remedy("find out which store gave the answer, and compare it with its backup"),
        );
    }
    findings
}

fn of_writes(view: &ClientsView) -> Option<Finding> {
    let Some(writes) = &view.writes else {
        let expected = "an application that says which writes it has";
        let unknown = Finding::new(FindingCode::WritesUnknown, "clients", expected, &view.writes_unknown);
        return Some(
            unknown.remedy("find out why the application does not answer; its log is in the evidence"),
        );
    };
    let expected = format!("{} writes of before the backups", writes.before_backup);
    (writes.missing > 0).then(|| {
        Finding::new(FindingCode::WriteLost, "clients", expected, format!("{} are not there", writes.missing))
            .remedy("restore from a backup that has them: they were acknowledged before this one began")
    })
}

impl ClientsJudge<'_> {
    fn summary(&self) -> String {
        let ClientsView { services, writes, .. } = self.view;
        let back = services.iter().filter_map(|service| service.back_ms);
        let all = services.len();
        let came = match (back.clone().min(), back.clone().max()) {
            (Some(first), Some(last)) => {
                let (count, first, last) = (back.count(), seconds(first), seconds(last));
                format!("{count} of {all} services were back for clients after {first} to {last}")
            }
            _ => format!("none of {all} services was back for clients"),
        };
        let errors: u64 = services.iter().map(|service| service.errors).sum();
        let later: u64 = services.iter().map(|service| service.later_errors).sum();
        let later = if later > 0 { format!(", {later} afterwards") } else { String::new() };
        let wrote = match (self.view.first_write_ms(), self.recovered_ms) {
            (Some(write), Some(recovered)) => {
                let side = if write < recovered { "before" } else { "after" };
                let apart = seconds(write.abs_diff(recovered));
                format!("; clients first wrote {apart} {side} the drill led them there")
            }
            _ => String::new(),
        };
        let written = match writes {
            Some(ClientWrites { before_backup, missing, after_backup, lost }) => format!(
                "of {before_backup} writes before the backups {missing} are missing, of {after_backup} after them {lost} \
                 are lost"
            ),
            None => "what became of acknowledged writes is not known".to_owned(),
        };
        format!("{came}, {errors} requests failed in between{later}; {written}{wrote}")
    }
}

#[cfg(test)]
mod tests {
    use comeback_model::{Citation, Objective, Tier};

    use super::*;

    fn plan() -> Plan {
        let source =
            Citation { file: "runbook.md".to_owned(), line: 7, section: String::new(), text: String::new() };
        let limit = |upper_ms| Objective { lower_ms: None, upper_ms, source: source.clone() };
        let tier = |name: &str| Tier {
            name: name.to_owned(),
            limit: Some(limit(9_000)),
            what: String::new(),
            restored_by: Vec::new(),
        };
        Plan {
            title: "Full disaster recovery".to_owned(),
            source: source.clone(),
            total: limit(60_000),
            steps: Vec::new(),
            tiers: vec![tier("Critical"), tier("Low")],
        }
    }

    fn good() -> ClientsView {
        let service = |name: &str, writes, back_ms| ServiceView {
            name: name.to_owned(),
            tier: Some("Critical".to_owned()),
            writes,
            first_error_ms: Some(100),
            back_ms: Some(back_ms),
            errors: 20,
            right: 5,
            ..ServiceView::default()
        };
        ClientsView {
            services: vec![service("bookings", true, 8_100), service("stories", false, 8_000)],
            writes: Some(ClientWrites { before_backup: 12, missing: 0, after_backup: 4, lost: 4 }),
            writes_unknown: String::new(),
            shortened_ms: 0,
        }
    }

    async fn judged(change: impl FnOnce(&mut ClientsView)) -> Opinion {
        let (plan, mut view) = (plan(), good());
        change(&mut view);
        ClientsJudge { plan: &plan, view: &view, recovered_ms: Some(8_050) }.judge().await.unwrap()
    }

    #[tokio::test]
    async fn services_that_are_back_in_time_are_no_finding_and_lost_writes_of_later_are_told() {
        let opinion = judged(|_| {}).await;
        assert_eq!(opinion.findings, []);
        assert_eq!(
            opinion.summary,
            "2 of 2 services were back for clients after 8.0 s to 8.1 s, 40 requests failed in between; of 12 writes \
             before the backups 0 are missing, of 4 after them 4 are lost; clients first wrote 0.1 s after the drill \
             led them there"
        );
        let unused: Vec<_> = opinion.not_looked_at.iter().map(|thing| thing.subject.as_str()).collect();
        assert_eq!(unused, ["Low"]);
        let (plan, view) = (plan(), ClientsView::default());
        assert!(ClientsJudge { plan: &plan, view: &view, recovered_ms: None }.judge().await.is_err());
    }

    #[tokio::test]
    async fn what_clients_miss_is_found_each_for_its_own_reason() {
        let down = |view: &mut ClientsView| view.services[1].back_ms = None;
        let wrong = |view: &mut ClientsView| view.services[1].wrong = 2;
        let missing = |view: &mut ClientsView| {
            view.writes = Some(ClientWrites { before_backup: 12, missing: 1, ..ClientWrites::default() });
        };
        let unknown = |view: &mut ClientsView| view.writes = None;
        let late = |view: &mut ClientsView| view.shortened_ms = 901;
        let changes: [(fn(&mut ClientsView), _, _); 5] = [
            (down, FindingCode::ServiceDown, "stories"),
            (wrong, FindingCode::AnswerWrong, "stories"),
            (missing, FindingCode::WriteLost, "clients"),
            (unknown, FindingCode::WritesUnknown, "clients"),
            (late, FindingCode::ObjectiveMissed, "Critical"),
        ];
        for (change, code, subject) in changes {
            let found: Vec<_> =
                judged(change).await.findings.into_iter().map(|found| (found.code, found.subject)).collect();
            assert_eq!(found, [(code, subject.to_owned())]);
        }
    }
}
