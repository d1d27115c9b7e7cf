//! Do the stores agree: does what one of them names exist in the other?

use std::collections::BTreeSet;

use async_trait::async_trait;
use comeback_error::{Error, Result};
use comeback_model::{Finding, FindingCode};

use super::{Judge, MOST_REPAIRS, Opinion};

/// Compares what things of one store name with what another store has.
pub struct Coherence<'a> {
    /// What must hold, as in `sessions have users`.
    pub rule: &'a str,
    /// The things, each with the name that it gives; `None` for one that gives none.
    pub naming: &'a [(String, Option<String>)],
    /// What the other store has.
    pub there: &'a BTreeSet<String>,
    /// What to do with a thing that names something else.
    pub remedy: &'a str,
}

#[async_trait]
impl Judge for Coherence<'_> {
    fn name(&self) -> &'static str {
        "coherence"
    }

    async fn judge(&self) -> Result<Opinion> {
        let Self { rule, naming, there, remedy } = self;
        if naming.is_empty() {
            return Err(Error::could_not_verify(format!(
                "{rule}: there is nothing that could name anything"
            )));
        }
        let broken = naming.iter().filter_map(|(thing, named)| {
            let actual = match named {
                Some(named) if there.contains(named) => return None,
                Some(named) => format!("it names {named}, which is not there"),
                None => "it names nothing".to_owned(),
            };
            Some(Finding::new(FindingCode::ReferenceBroken, thing, *rule, actual).remedy(*remedy))
        });
        let summary =
            format!("{rule}: looked at {} of one store and {} of the other", naming.len(), there.len());
        Ok(Opinion::new(summary, broken).at_most(MOST_REPAIRS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_names_something_that_is_not_there_is_told_one_by_one() {
        let there = BTreeSet::from(["1".to_owned(), "2".to_owned()]);
        let judged = async |naming: &[(String, Option<String>)]| {
            let judge = Coherence { rule: "sessions have users", naming, there: &there, remedy: "drop it" };
            judge
                .judge()
                .await
                .map(|opinion| opinion.findings.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        let session = |name: &str, user: Option<&str>| (name.to_owned(), user.map(str::to_owned));
        assert_eq!(judged(&[session("a", Some("1")), session("b", Some("2"))]).await.unwrap(), [""; 0]);
        assert_eq!(
            judged(&[session("a", Some("3")), session("b", None), session("c", Some("1"))]).await.unwrap(),
            [
                "reference-broken a: expected sessions have users, found it names 3, which is not there",
                "reference-broken b: expected sessions have users, found it names nothing",
            ]
        );
        assert!(judged(&[]).await.unwrap_err().message().contains("nothing that could name"));
    }

    #[tokio::test]
    async fn a_store_that_does_not_fit_at_all_does_not_fill_the_evidence() {
        let naming: Vec<_> = (0..MOST_REPAIRS + 2).map(|number| (number.to_string(), None)).collect();
        let judge = Coherence { rule: "", naming: &naming, there: &BTreeSet::new(), remedy: "" };
        let opinion = judge.judge().await.unwrap();
        assert_eq!(opinion.findings.len(), MOST_REPAIRS);
        assert!(
            opinion.summary.ends_with("; 2 more findings are not told one by one"),
            "{}",
            opinion.summary
        );
    }
}
