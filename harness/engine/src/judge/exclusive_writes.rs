//! Judges of tries to write: did only one server accept writes at a time, and how long did none?

use std::collections::BTreeMap;

use async_trait::async_trait;
use comeback_error::{Error, Result};
use comeback_model::{Finding, FindingCode, Objective, OutOfTurn, TryOutcome, Turns, WriteTry};

use super::objective::judge_limit;
use super::{Judge, Opinion};

/// Looks for writes that a server accepted when it was not its turn.
///
/// A write between two tries is not seen: the summary says how long the longest pause was. Where two tries overlap, so
/// that either order is possible, the verdict is *could not verify*.
pub struct ExclusiveWrites<'a> {
    /// Every try at every server.
    pub tries: &'a [WriteTry],
    /// The server that accepts writes first, and the one that does after it. No other server may.
    pub turns: [&'a str; 2],
    /// Servers that were tried and must never accept one.
    pub never: &'a [&'a str],
}

#[async_trait]
impl Judge for ExclusiveWrites<'_> {
    fn name(&self) -> &'static str {
        "exclusive-writes"
    }

    async fn judge(&self) -> Result<Opinion> {
        let [first, next] = self.turns;
        let turns = Turns::read(self.tries, self.turns);
        let findings: Vec<_> = turns.out_of_turn.iter().map(|one| self.finding(one)).collect();
        if findings.is_empty() {
            self.ensure_tried(&turns)?;
        }
        let [before, after] = turns.accepted;
        let refused = self.never.iter().map(|server| self.refused(server)).collect::<String>();
        let tries = self.tries.len();
        Ok(Opinion::new(
            format!(
                "{first} accepted {before} writes and then {next} {after}{refused}; {tries} tries, with pauses of at most \
                 {}",
                milliseconds(turns.longest_gap_us)
            ),
            findings,
        ))
    }
}

impl ExclusiveWrites<'_> {
    /// Fails if the tries prove nothing.
    fn ensure_tried(&self, turns: &Turns) -> Result<()> {
        let silent = self.turns.iter().zip(turns.accepted).find(|(_, accepted)| *accepted == 0);
        if let Some((server, _)) = silent {
            return Err(Error::could_not_verify(format!(
                "{server} accepted no write: there are no turns to judge"
            )));
        }
        let is_untried = |server: &&&str| !self.tries.iter().any(|one| one.server == **server);
        if let Some(server) = self.never.iter().find(is_untried) {
            return Err(Error::could_not_verify(format!("nobody tried to write to {server}")));
        }
        if turns.undecided > 0 {
            return Err(Error::could_not_verify(format!(
                "{} tries to write overlap with the turn of another server, or have no answer: nobody can say in which \
                 order they were accepted",
                turns.undecided
            )));
        }
        self.ensure_tried_after()
    }

    /// Fails if nobody tried to write to the first server once the other one had accepted a write.
    fn ensure_tried_after(&self) -> Result<()> {
        let [first, next] = self.turns;
        let opened = self.tries.iter().filter(|one| one.server == next && one.is_accepted());
        let opened_us = opened.map(|one| one.ended_us).min().unwrap_or(u64::MAX);
        if self.tries.iter().any(|one| one.server == first && one.began_us > opened_us) {
            return Ok(());
        }
        Err(Error::could_not_verify(format!(
            "nobody tried to write to {first} after {next} had accepted a write"
        )))
    }

    /// How often a server refused writes, and why most often.
    fn refused(&self, server: &str) -> String {
        let refusals =
            self.tries.iter().filter(|one| one.server == server).filter_map(|one| match &one.outcome {
                TryOutcome::Refused(why) => Some(why.as_str()),
                TryOutcome::Accepted | TryOutcome::Unanswered(_) => None,
            });
        let mut reasons = BTreeMap::<&str, usize>::new();
        refusals.for_each(|why| *reasons.entry(why).or_default() += 1);
        let most = reasons.iter().max_by_key(|(_, times)| **times);
        let why = most.map_or("it refused nothing", |(why, _)| why);
        format!("; {server} refused {} ({why})", reasons.values().sum::<usize>())
    }

    fn finding(&self, OutOfTurn { server, writes }: &OutOfTurn) -> Finding {
        let [first, next] = self.turns;
        let expected = if server == first {
            format!("no write after {next} had accepted one")
        } else {
            format!("no write at all: {first} accepts them, then {next}")
        };
        let actual = format!("it accepted {writes} writes");
        Finding::new(FindingCode::SplitBrain, server, expected, actual)
            .remedy("fence it now, then compare its writes with those of the other server: both hold some that the other lacks")
    }
}

/// Holds the time in which no server accepted a write against a limit of the runbook.
pub struct WriteOutage<'a> {
    /// Every try at every server.
    pub tries: &'a [WriteTry],
    /// The server that accepts writes first, and the one that does after it.
    pub turns: [&'a str; 2],
    /// The limit, or why the runbook gives none.
    pub objective: &'a Result<Objective>,
}

#[async_trait]
impl Judge for WriteOutage<'_> {
    fn name(&self) -> &'static str {
        "write-outage"
    }

    async fn judge(&self) -> Result<Opinion> {
        let objective = self.objective.as_ref().map_err(Error::clone)?;
        let turns = Turns::read(self.tries, self.turns);
        let outage_us = turns.outage_us.ok_or_else(|| {
            Error::could_not_verify("no write was accepted before the switch, or none after it, or two servers accepted some at a time")
        })?;
        let mut opinion = judge_limit(objective, outage_us.div_ceil(1_000), "write outage", "no write");
        let source = objective.source.quoted();
        opinion.summary =
            format!("no server accepted a write for {}, against {source}", milliseconds(outage_us));
        Ok(opinion)
    }
}

fn milliseconds(us: u64) -> String {
    format!("{} ms", us.div_ceil(1_000))
}

#[cfg(test)]
mod tests {
    use comeback_error::ErrorKind;
    use comeback_model::{Citation, Verdict};

    use super::*;

    fn accepted(server: &str, began_us: u64, ended_us: u64) -> WriteTry {
        let outcome = TryOutcome::Accepted;
        WriteTry { server: server.to_owned(), number: began_us, began_us, ended_us, outcome }
    }

    fn refused(server: &str) -> WriteTry {
        WriteTry { outcome: TryOutcome::Refused("fenced".to_owned()), ..accepted(server, 5, 6) }
    }

    async fn judged(tries: &[WriteTry]) -> Result<Opinion> {
        ExclusiveWrites { tries, turns: ["b", "a"], never: &["old"] }.judge().await
    }

    #[tokio::test]
    async fn a_server_that_writes_out_of_turn_is_named() {
        let fenced =
            WriteTry { outcome: TryOutcome::Refused("fenced".to_owned()), ..accepted("b", 2_500, 2_510) };
        let in_turn = [accepted("b", 0, 10), refused("old"), accepted("a", 2_000, 2_010), fenced];
        let opinion = judged(&in_turn).await.unwrap();
        assert_eq!(opinion.findings, []);
        assert_eq!(
            opinion.summary,
            "b accepted 1 writes and then a 1; old refused 1 (fenced); 4 tries, with pauses of at most 3 ms"
        );
        let late = [&in_turn[..], &[accepted("b", 3_000, 3_010)]].concat();
        let third = [&in_turn[..], &[accepted("old", 5, 6)]].concat();
        for (tries, server) in [(late, "b"), (third, "old")] {
            let findings = judged(&tries).await.unwrap().findings;
            let named: Vec<_> = findings.iter().map(|one| (one.code, one.subject.as_str())).collect();
            assert_eq!(named, [(FindingCode::SplitBrain, server)]);
        }
    }

    #[tokio::test]
    async fn what_the_tries_do_not_say_is_not_a_pass() {
        let overlap = [accepted("b", 0, 30), refused("old"), accepted("a", 20, 25)];
        let untried = [accepted("b", 0, 10), accepted("a", 20, 25)];
        let untried_after = [accepted("b", 0, 10), refused("old"), accepted("a", 20, 25)];
        for tries in [&overlap[..], &overlap[..2], &untried, &untried_after, &[]] {
            assert_eq!(judged(tries).await.unwrap_err().kind(), ErrorKind::CouldNotVerify, "{tries:?}");
        }
    }

    #[tokio::test]
    async fn the_outage_is_held_against_the_limit() {
        let source =
            Citation { file: "r.md".to_owned(), line: 1, section: String::new(), text: String::new() };
        let objective = &Ok(Objective { lower_ms: None, upper_ms: 5, source });
        for (reopened_us, verdict) in [(5_010, Verdict::Verified), (6_011, Verdict::ObjectiveMissed)] {
            let tries = &[accepted("b", 0, 10), accepted("a", reopened_us, reopened_us)];
            let opinion = WriteOutage { tries, turns: ["b", "a"], objective }.judge().await.unwrap();
            assert_eq!(comeback_model::Check::verdict_of(&opinion.findings), verdict, "{opinion:?}");
        }
        let at_a_time = &[accepted("b", 0, 10), accepted("a", 20, 25), accepted("b", 30, 35)];
        assert!(WriteOutage { tries: at_a_time, turns: ["b", "a"], objective }.judge().await.is_err());
        assert!(WriteOutage { tries: &[], turns: ["b", "a"], objective }.judge().await.is_err());
    }
}
