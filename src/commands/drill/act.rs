//! What people add to the record of an open drill.

use std::path::PathBuf;

use comeback_engine::clock::Clock;
use comeback_engine::evidence::Torn;
use comeback_engine::runner::PeopleDrill;
use comeback_error::{Error, Result};
use comeback_model::plan::GivenProof;
use comeback_model::{Act, CarriedOut, PersonAct, StepState};

use super::super::session::evidence_root;
use super::{close, find, proof, report, step};
use crate::cli::{DrillAbortArgs, DrillBeginArgs, DrillDoneArgs, DrillNoteArgs, WhichDrill, WhoAndWhen};
use crate::config::Config;
use crate::{output, who};

/// An open drill, locked for this command.
struct Open {
    folder: PathBuf,
    drill: PeopleDrill,
    carried_out: CarriedOut,
}

async fn open(which: &WhichDrill, config: &Config) -> Result<Open> {
    let root = evidence_root(which.evidence_dir.as_ref(), config);
    let folder = find::to_add_to(&root, which.drill.as_deref())?;
    let (drill, torn) = PeopleDrill::open(&folder, Clock::machine()).await?;
    if let Some(Torn { bytes, kept_in }) = torn {
        output::error_line(&format!(
            "warning: the last line of the record was cut short when it was written; its {bytes} bytes were moved to {}",
            folder.join(kept_in).display()
        ));
        output::error_line(
            "hint: if that command was yours, give it again: `comeback drill status` shows what is known",
        );
    }
    let carried_out = drill.carried_out()?;
    warn_of_clock(&carried_out);
    Ok(Open { folder, drill, carried_out })
}

/// The clock of this machine may be behind that of the last one.
fn warn_of_clock(carried_out: &CarriedOut) {
    let Some(people) = &carried_out.by_people else { return };
    let behind_ms = comeback_model::plan::elapsed_ms(Clock::machine().now(), people.written_at);
    if behind_ms > 0 {
        output::error_line(&format!(
            "warning: the clock of this machine is {} behind the last line of the record",
            comeback_reports::format::duration(behind_ms)
        ));
    }
}

/// An act as this person tells it.
fn said(said: &WhoAndWhen, act: Act) -> PersonAct {
    PersonAct {
        who: said.who.clone().unwrap_or_else(who::account),
        happened_at: said.at.unwrap_or_else(|| Clock::machine().now()),
        utc_offset: who::utc_offset(),
        act,
    }
}

pub(super) async fn begin(args: &DrillBeginArgs, config: &Config) -> Result<u8> {
    let open = open(&args.which, config).await?;
    let step = step::named(&open.carried_out.plan, &args.step)?;
    let mut begun = said(&args.said, Act::StepBegan { step, out_of_order: false });
    let deviates = args.out_of_order && open.carried_out.is_out_of_order(&begun);
    begun.act = Act::StepBegan { step, out_of_order: deviates };
    report(&open.folder, &open.drill.add(begun)?)
}

pub(super) async fn done(args: &DrillDoneArgs, config: &Config) -> Result<u8> {
    let open = open(&args.which, config).await?;
    let step = step::named(&open.carried_out.plan, &args.step)?;
    let ended = |proof: Option<GivenProof>, out_of_order| Act::StepEnded {
        step,
        began_at: args.began_at,
        failed: args.failed.clone(),
        proof,
        out_of_order,
    };
    let mut told = said(&args.said, ended(None, false));
    let deviates = args.out_of_order && open.carried_out.is_out_of_order(&told);
    told.act = ended(None, deviates);
    // Nothing is copied for an act that is refused.
    open.drill.check(&told)?;
    let given = match (&args.proof, &args.proof_file) {
        (Some(text), _) => Some(GivenProof::Text(text.clone())),
        (None, Some(file)) => Some(proof::keep(file, &open.folder)?),
        (None, None) => None,
    };
    told.act = ended(given, deviates);
    let record = open.drill.add(told)?;
    let all_ended = open.drill.carried_out()?.states().iter().all(|state| *state == StepState::Ended);
    if all_ended { close(&open.folder, &open.drill, config).await } else { report(&open.folder, &record) }
}

pub(super) async fn note(args: &DrillNoteArgs, config: &Config) -> Result<u8> {
    let open = open(&args.which, config).await?;
    let noted = said(&args.said, Act::Noted { text: args.text.clone() });
    report(&open.folder, &open.drill.add(noted)?)
}

pub(super) async fn abort(args: &DrillAbortArgs, config: &Config) -> Result<u8> {
    let open = open(&args.which, config).await?;
    // A command may have died between its last two lines.
    if open.carried_out.by_people.as_ref().is_none_or(|people| people.aborted.is_none()) {
        open.drill.add(said(&args.said, Act::Aborted { why: args.why.clone() }))?;
    }
    close(&open.folder, &open.drill, config).await
}

pub(super) async fn finish(which: &WhichDrill, config: &Config) -> Result<u8> {
    let open = open(which, config).await?;
    let is_aborted = open.carried_out.by_people.as_ref().is_some_and(|people| people.aborted.is_some());
    if !is_aborted && !open.carried_out.is_at_its_end() {
        let states = open.carried_out.states();
        let steps = open.carried_out.plan.steps.iter().zip(&states);
        let left = steps.filter(|(_, state)| !matches!(state, StepState::Ended | StepState::Blocked { .. }));
        let left: Vec<_> = left.map(|(step, _)| format!("{:?}", step.name)).collect();
        return Err(Error::usage(format!("the drill can go on: {} can still be done", left.join(", ")))
            .hint("record it with `comeback drill done STEP`; to end early: `comeback drill abort WHY`"));
    }
    close(&open.folder, &open.drill, config).await
}
