//! Judge of what is sealed in the database: the keys that came back open all of it.

use std::collections::BTreeMap;

use async_trait::async_trait;
use comeback_engine::judge::{Judge, Opinion};
use comeback_error::{Error, Result};
use comeback_model::{Finding, FindingCode};

use crate::vault::SealedRow;

/// How many rows a finding names.
const EXAMPLES: usize = 3;

/// Checks that every stored API key was opened. No finding holds what was opened.
pub struct VaultJudge<'a> {
    /// The rows of the recovered database, opened with the keys that came back.
    pub rows: &'a [SealedRow],
}

#[async_trait]
impl Judge for VaultJudge<'_> {
    fn name(&self) -> &'static str {
        "vault"
    }

    async fn judge(&self) -> Result<Opinion> {
        if self.rows.is_empty() {
            return Err(Error::could_not_verify("no sealed row came back: no key was tried"));
        }
        let mut by_reason = BTreeMap::<&str, Vec<&str>>::new();
        for row in self.rows {
            if let Some(why) = &row.unopened {
                by_reason.entry(why).or_default().push(&row.id);
            }
        }
        let findings = by_reason.into_iter().map(|(why, rows)| {
            let named = rows.iter().take(EXAMPLES).copied().collect::<Vec<_>>().join(", ");
            let (expected, actual) = (
                format!("{} rows that the imported vault keys open", self.rows.len()),
                format!("{} rows that they do not open, such as {named}: {why}", rows.len()),
            );
            Finding::new(FindingCode::ReferenceBroken, "vault.api_keys", expected, actual).remedy(
                "import the export of secrets that has their key; without it, ask their users for new API keys",
            )
        });
        let summary = format!(
            "what is sealed opens: tried the imported vault keys on all {} rows of vault.api_keys",
            self.rows.len()
        );
        Ok(Opinion::new(summary, findings))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn rows_that_no_key_opens_are_counted_by_the_reason() {
        let row = |id: u32, unopened: Option<&str>| SealedRow {
            id: id.to_string(),
            unopened: unopened.map(str::to_owned),
        };
        let rows: Vec<_> =
            (0..9).map(|id| row(id, (id > 3).then_some("no key"))).chain([row(9, Some("changed"))]).collect();
        let opinion = VaultJudge { rows: &rows }.judge().await.unwrap();
        let found: Vec<_> = opinion.findings.iter().map(ToString::to_string).collect();
        let expected =
            "reference-broken vault.api_keys: expected 10 rows that the imported vault keys open, found";
        assert_eq!(
            found,
            [
                format!("{expected} 1 rows that they do not open, such as 9: changed"),
                format!("{expected} 5 rows that they do not open, such as 4, 5, 6: no key"),
            ]
        );
        assert_eq!(VaultJudge { rows: &rows[..4] }.judge().await.unwrap().findings, []);
        assert!(VaultJudge { rows: &[] }.judge().await.is_err());
    }
}
