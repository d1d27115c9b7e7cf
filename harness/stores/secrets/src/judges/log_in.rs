//! Judge of restored credentials: whether they still work.

use async_trait::async_trait;
use comeback_engine::LogIn;
use comeback_engine::judge::{Judge, Opinion};
use comeback_error::{Error, Result};
use comeback_model::{Finding, FindingCode};

/// Judges the log-ins of processes that were restarted with restored credentials. An export may hold every
/// value as it was, while a password was changed since.
pub struct LogInJudge<'a> {
    /// The secret used for each log-in, and the outcome.
    pub log_ins: &'a [(&'a str, LogIn)],
}

#[async_trait]
impl Judge for LogInJudge<'_> {
    fn name(&self) -> &'static str {
        "log-in"
    }

    async fn judge(&self) -> Result<Opinion> {
        if self.log_ins.is_empty() {
            return Err(Error::could_not_verify("nobody logged in with what was restored"));
        }
        let findings = self.log_ins.iter().filter_map(|(secret, log_in)| match log_in {
            LogIn::Accepted => None,
            LogIn::Refused(why) => Some(
                Finding::new(FindingCode::LogInRefused, *secret, "a log-in", why)
                    .remedy("it was changed after the export: set a new one at the server, and store it as a new version"),
            ),
        });
        let names: Vec<_> = self.log_ins.iter().map(|(secret, _)| *secret).collect();
        Ok(Opinion::new(format!("logged in with {}", names.join(" and ")), findings))
    }
}
