//! The report for programs: the record and every derived figure, with a JSON schema.
//!
//! The schema is `reports/schema/report-v1.schema.json`. Adding a field keeps [`SCHEMA_VERSION`]; renaming it, removing
//! it or changing its meaning raises it.

use comeback_error::{Context as _, Result};
use comeback_model::evidence::{
    ArtefactSummary, BackupSummary, DrillRecord, Ending, Failure, Loss, Provenance, Record, RunKind,
    StepRecord,
};
use comeback_model::plan::{ByPeople, GivenProof, JudgedStep, JudgedTier, judge};
use comeback_model::{
    CarriedOut, Check, Citation, ClientsView, Finding, MeasuredStep, Milestone, Objective, PlanStep, Repair,
    Standing, Statement, Tier, Verdict, repairs,
};
use jiff::Timestamp;
use serde::Serialize;

use crate::view;

/// The version of the report's form.
pub const SCHEMA_VERSION: u32 = 1;

/// The JSON Schema of the report.
pub const SCHEMA: &str = include_str!("../schema/report-v1.schema.json");

/// The run as JSON, indented, valid against [`SCHEMA`]. The same record gives the same text.
pub fn json(record: &Record) -> Result<String> {
    let report = Report {
        schema_version: SCHEMA_VERSION,
        verdict: view::headline_verdict(record),
        run: Run::of(record),
        provenance: &record.run.provenance,
        drills: record.drills.iter().map(Drill::of).collect(),
    };
    let mut text = serde_json::to_string_pretty(&report).context("cannot write the JSON report")?;
    text.push('\n');
    Ok(text)
}

#[derive(Serialize)]
struct Report<'a> {
    schema_version: u32,
    verdict: Verdict,
    run: Run<'a>,
    provenance: &'a Provenance,
    drills: Vec<Drill<'a>>,
}

#[derive(Serialize)]
struct Run<'a> {
    #[serde(rename = "run_id")]
    id: &'a str,
    kind: RunKind,
    started_at: Timestamp,
    elapsed_ms: u64,
    ending: Ending,
    suite: Option<&'a str>,
    scale: &'a str,
    seed: u64,
    damage: Option<&'a str>,
    runbook: Option<&'a str>,
    sample_runbook: bool,
    chained: bool,
    durable: bool,
    command_line: &'a [String],
    reproduce: String,
}

impl<'a> Run<'a> {
    fn of(record: &'a Record) -> Self {
        let run = &record.run;
        Self {
            id: &run.run_id,
            kind: run.kind,
            started_at: record.started_at,
            elapsed_ms: record.elapsed_ms,
            ending: record.ending,
            suite: run.suite.as_deref(),
            scale: &run.scale,
            seed: run.seed,
            damage: run.damage.as_deref(),
            runbook: run.runbook.as_deref(),
            sample_runbook: run.sample_runbook,
            chained: record.is_chained(),
            durable: run.durable,
            command_line: &run.command_line,
            reproduce: view::reproduce_command(record),
        }
    }
}

#[derive(Serialize)]
struct Drill<'a> {
    scenario: &'a str,
    title: &'a str,
    section: &'a str,
    substrate: &'a str,
    skipped_because: Option<&'a str>,
    started: bool,
    verdict: Verdict,
    error: Option<&'a Failure>,
    elapsed_ms: u64,
    sample_bytes: Option<u64>,
    objective: Option<JudgedObjective<'a>>,
    ttr_ms: Option<u64>,
    time_to_ready_ms: Option<u64>,
    time_to_verified_ms: Option<u64>,
    rpo_ms: Option<u64>,
    loss: Option<&'a Loss>,
    milestones_ms: Milestones,
    steps: &'a [StepRecord],
    backups: &'a [BackupSummary],
    checks: &'a [Check],
    repairs: Vec<Repaired<'a>>,
    artefact: Option<&'a ArtefactSummary>,
    established: Vec<Established>,
    recovery: Option<Recovery<'a>>,
    clients: Option<&'a ClientsView>,
}

/// Things that need the same repair.
#[derive(Serialize)]
struct Repaired<'a> {
    action: &'a str,
    things: Vec<RepairedThing<'a>>,
}

#[derive(Serialize)]
struct RepairedThing<'a> {
    subject: &'a str,
    key: Option<&'a str>,
    found: &'a str,
}

impl<'a> Repaired<'a> {
    fn of(repair: Repair<'a>) -> Self {
        let thing = |finding: &'a Finding| RepairedThing {
            subject: &finding.subject,
            key: finding.key.as_deref(),
            found: &finding.actual,
        };
        Self { action: repair.action, things: repair.findings.into_iter().map(thing).collect() }
    }
}

/// What a verification showed.
#[derive(Serialize)]
struct Established {
    statement: Statement,
    standing: Standing,
    required: bool,
}

impl Established {
    /// Every statement of a verification; none for a drill.
    fn of(drill: &DrillRecord) -> Vec<Self> {
        let requires = &drill.plan.requires;
        let one = |statement| Self {
            statement,
            standing: Standing::of(statement, &drill.checks),
            required: requires.contains(&statement),
        };
        if requires.is_empty() { Vec::new() } else { Statement::ALL.map(one).into() }
    }
}

impl<'a> Drill<'a> {
    fn of(drill: &'a DrillRecord) -> Self {
        let plan = &drill.plan;
        let skipped = drill.verdict == Verdict::Skipped;
        Self {
            scenario: &plan.scenario,
            title: &plan.title,
            section: &plan.section,
            substrate: &plan.substrate,
            skipped_because: plan.skipped.as_deref(),
            started: drill.started,
            verdict: drill.verdict,
            // The record keeps a skip reason in the place of an error; the report has a field for it.
            error: drill.error.as_ref().filter(|_| !skipped),
            elapsed_ms: drill.elapsed_ms,
            sample_bytes: drill.sample_bytes,
            objective: drill.objective.as_ref().map(|it| JudgedObjective::of(it, drill)),
            ttr_ms: drill.ttr_ms(),
            time_to_ready_ms: drill.time_to_ready_ms(),
            time_to_verified_ms: drill.time_to_verified_ms(),
            rpo_ms: drill.loss.as_ref().map(|loss| loss.rpo_ms),
            loss: drill.loss.as_ref(),
            milestones_ms: Milestones::of(drill),
            steps: &drill.steps,
            backups: &drill.backups,
            checks: &drill.checks,
            repairs: repairs(&drill.checks).into_iter().map(Repaired::of).collect(),
            artefact: drill.artefact.as_ref(),
            established: Established::of(drill),
            recovery: drill.recovery.as_ref().map(Recovery::of),
            clients: drill.clients.as_ref(),
        }
    }
}

/// A recovery plan that was carried out, as it was measured and judged.
#[derive(Serialize)]
struct Recovery<'a> {
    title: &'a str,
    total: &'a Objective,
    recovered_ms: Option<u64>,
    people: Option<People<'a>>,
    steps: Vec<RecoveryStep<'a>>,
    tiers: Vec<RecoveryTier<'a>>,
}

#[derive(Serialize)]
struct RecoveryStep<'a> {
    name: &'a str,
    needs: Vec<&'a str>,
    budget: &'a Objective,
    started_ms: Option<u64>,
    ended_ms: Option<u64>,
    shortened_ms: Option<u64>,
    verdict: Verdict,
    reason: String,
    said: Option<Said<'a>>,
}

/// What is known of a drill by people beside the steps.
#[derive(Serialize)]
struct People<'a> {
    declared_at: Timestamp,
    declared_by: &'a str,
    runbook_sha256: &'a str,
    clock_back_ms: u64,
}

/// What a person said of a step that ended.
#[derive(Serialize)]
struct Said<'a> {
    who: &'a str,
    proof: Option<&'a GivenProof>,
    out_of_order: bool,
    written_after_ms: u64,
}

impl<'a> Said<'a> {
    fn of(people: Option<&'a ByPeople>, step: usize) -> Option<Self> {
        let said = people?.steps.get(step)?;
        let end = said.ended.as_ref()?;
        Some(Self {
            who: &end.who,
            proof: end.proof.as_ref(),
            out_of_order: said.out_of_order,
            written_after_ms: end.written_after_ms,
        })
    }
}

#[derive(Serialize)]
struct RecoveryTier<'a> {
    name: &'a str,
    limit: Option<&'a Objective>,
    served_ms: Option<u64>,
    verdict: Verdict,
}

impl<'a> Recovery<'a> {
    fn of(carried_out: &'a CarriedOut) -> Self {
        let CarriedOut { plan, measured, by_people } = carried_out;
        let judgement = judge(plan, measured);
        let steps = plan.steps.iter().zip(judgement.steps).zip(measured).enumerate();
        let step =
            |(at, ((step, judged), done)): (usize, ((&'a PlanStep, JudgedStep), &Option<MeasuredStep>))| {
                RecoveryStep {
                    name: &step.name,
                    needs: step.needs.iter().map(|need| plan.steps[*need].name.as_str()).collect(),
                    budget: &step.budget,
                    started_ms: done.as_ref().map(|done| done.started_ms),
                    ended_ms: done.as_ref().map(|done| done.ended_ms),
                    shortened_ms: done.as_ref().map(|done| done.shortened_ms),
                    verdict: judged.verdict,
                    reason: judged.reason,
                    said: Said::of(by_people.as_ref(), at),
                }
            };
        let tier = |(tier, judged): (&'a Tier, JudgedTier)| RecoveryTier {
            name: &tier.name,
            limit: tier.limit.as_ref(),
            served_ms: judged.served_ms,
            verdict: judged.verdict,
        };
        Self {
            title: &plan.title,
            total: &plan.total,
            recovered_ms: judgement.recovered_ms,
            people: by_people.as_ref().map(|people| People {
                declared_at: people.declared_at,
                declared_by: &people.declared_by,
                runbook_sha256: &people.runbook_sha256,
                clock_back_ms: people.clock_back_ms,
            }),
            steps: steps.map(step).collect(),
            tiers: plan.tiers.iter().zip(judgement.tiers).map(tier).collect(),
        }
    }
}

/// A documented limit, and whether the measured time kept it; unknown if no time was measured.
#[derive(Serialize)]
struct JudgedObjective<'a> {
    lower_ms: Option<u64>,
    upper_ms: u64,
    met: Option<bool>,
    state: ObjectiveState,
    source: &'a Citation,
}

impl<'a> JudgedObjective<'a> {
    fn of(objective: &'a Objective, drill: &DrillRecord) -> Self {
        let met = drill.ttr_ms().map(|ttr| objective.is_met_by(ttr));
        Self {
            lower_ms: objective.lower_ms,
            upper_ms: objective.upper_ms,
            met,
            state: match (met, drill.sample_bytes) {
                (None, _) => ObjectiveState::NotMeasured,
                (Some(false), _) => ObjectiveState::Missed,
                (Some(true), Some(_)) => ObjectiveState::InTimeOnSampleData,
                (Some(true), None) => ObjectiveState::Kept,
            },
            source: &objective.source,
        }
    }
}

/// What is known of an objective.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum ObjectiveState {
    NotMeasured,
    Missed,
    /// In time on sample data, which proves nothing about production's size.
    InTimeOnSampleData,
    Kept,
}

/// The four milestones by name. A record from elsewhere may hold keys that the schema does not know.
#[derive(Serialize)]
struct Milestones {
    declared: Option<u64>,
    ready: Option<u64>,
    recovered: Option<u64>,
    verified: Option<u64>,
}

impl Milestones {
    fn of(drill: &DrillRecord) -> Self {
        let at = |milestone: Milestone| drill.milestones_ms.get(milestone.label()).copied();
        Self {
            declared: at(Milestone::Declared),
            ready: at(Milestone::Ready),
            recovered: at(Milestone::Recovered),
            verified: at(Milestone::Verified),
        }
    }
}
