//! Words and marks that all reports share.

use comeback_model::{Phase, Verdict};
use serde::{Serialize, Serializer};

/// The word of a phase.
pub(super) fn phase_label(phase: Phase) -> &'static str {
    match phase {
        Phase::Prepare => "prepare",
        Phase::Backup => "backup",
        Phase::Disaster => "disaster",
        Phase::Recover => "recover",
        Phase::Judge => "judge",
        Phase::Teardown => "teardown",
    }
}

/// The verdict as a word that may stand in an identifier: `could-not-verify`.
pub(crate) fn slug(verdict: Verdict) -> String {
    verdict.label().replace(' ', "-")
}

/// The mark before a verdict: it distinguishes verdicts without colours.
pub(crate) fn mark(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Verified => "✓",
        Verdict::Failed => "✗",
        Verdict::ObjectiveMissed => "!",
        Verdict::CouldNotVerify => "?",
        Verdict::Skipped => "–",
    }
}

/// A verdict for a template: its slug, its label and its mark.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes every field by reference")]
pub(super) fn serialize<S: Serializer>(verdict: &Verdict, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Words {
        slug: String,
        label: &'static str,
        mark: &'static str,
    }
    Words { slug: slug(*verdict), label: verdict.label(), mark: mark(*verdict) }.serialize(serializer)
}

/// Whether a verdict needs the reader's attention. A skipped drill was left out on purpose and does not.
pub(super) fn is_exception(verdict: Verdict) -> bool {
    !matches!(verdict, Verdict::Verified | Verdict::Skipped)
}

/// The rank of a verdict, from the best to the worst.
pub(super) fn badness(verdict: Verdict) -> usize {
    Verdict::ALL.iter().position(|known| *known == verdict).unwrap_or(Verdict::ALL.len())
}

/// The sentence with an initial capital.
pub(crate) fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
