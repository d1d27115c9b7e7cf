//! Judge of the authoritative servers: do all of them answer the new record?

use std::net::SocketAddrV4;

use async_trait::async_trait;
use comeback_engine::judge::{Judge, Opinion};
use comeback_error::{Error, Result};
use comeback_model::{Finding, FindingCode};

use crate::client::{Answer, ask, serial};
use crate::procedures::Moved;
use crate::zone::ServiceName;

/// Asks every authoritative server for the record and the zone's serial. One that still has the zone of before is
/// behind; any other difference is a wrong record.
pub struct AuthoritativeJudge<'a> {
    /// The servers with their names.
    pub servers: &'a [(&'static str, SocketAddrV4)],
    /// The service's name.
    pub name: &'a ServiceName,
    /// What was changed.
    pub moved: &'a Moved,
}

/// What one server said.
struct Said {
    server: &'static str,
    answer: Answer,
    serial: u32,
}

#[async_trait]
impl Judge for AuthoritativeJudge<'_> {
    fn name(&self) -> &'static str {
        "authoritative"
    }

    async fn judge(&self) -> Result<Opinion> {
        let Self { servers, name, .. } = self;
        let (mut said, mut silent) = (Vec::new(), None);
        for (server, address) in *servers {
            match tokio::try_join!(ask(*address, name), serial(*address, name)) {
                Ok((answer, serial)) => said.push(Said { server, answer, serial }),
                Err(error) => silent = silent.or(Some(error.context(server))),
            }
        }
        let newest = said
            .iter()
            .map(|one| one.serial)
            .reduce(|one, other| if is_newer(other, one) { other } else { one });
        let nobody = || Error::could_not_verify("no authoritative server was asked");
        let newest = newest.ok_or_else(|| silent.clone().unwrap_or_else(nobody))?;
        let findings: Vec<_> = said.iter().filter_map(|one| self.finding(one, newest)).collect();
        // A finding counts, whatever a silent server would have said. Without one, its answer is missing.
        if let Some(error) = silent.filter(|_| findings.is_empty()) {
            return Err(error);
        }
        let Moved { new, .. } = self.moved;
        let summary = format!("{} authoritative servers answer {new}, serial {newest}", said.len());
        Ok(Opinion::new(summary, findings))
    }
}

impl AuthoritativeJudge<'_> {
    fn finding(&self, Said { server, answer, serial }: &Said, newest: u32) -> Option<Finding> {
        let Moved { new, old_serial, .. } = self.moved;
        let is_behind = is_newer(newest, *serial) || !is_newer(*serial, *old_serial);
        if !is_behind && answer.record() == Some(*new) && answer.is_authoritative {
            return None;
        }
        let (code, remedy) = if is_behind {
            (FindingCode::ZoneBehind, "look in its log and in the primary's why it did not fetch the zone")
        } else {
            (
                FindingCode::RecordWrong,
                "set the record again, with its address and its TTL, and find out who changed it",
            )
        };
        let authority = if answer.is_authoritative { "" } else { ", without authority" };
        let (subject, expected) = (format!("{server} {}", self.name), format!("{new}, serial {newest}"));
        Some(
            Finding::new(code, subject, expected, format!("{answer}, serial {serial}{authority}"))
                .remedy(remedy),
        )
    }
}

/// Whether a serial is newer than another. Source: RFC 1982, section 3.2: serials go on at 0.
fn is_newer(serial: u32, than: u32) -> bool {
    let ahead = serial.wrapping_sub(than);
    ahead > 0 && ahead < 1 << 31
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serials_go_on_at_zero() {
        assert!(is_newer(2, 1) && !is_newer(1, 2) && !is_newer(1, 1));
        assert!(is_newer(0, u32::MAX) && !is_newer(u32::MAX, 0));
    }
}
