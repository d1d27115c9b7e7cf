//! The identity of a run: the mark of everything that it starts, and whether its owner is alive.

use std::fs;

use comeback_error::{Context, Error, Result};
use serde::{Deserialize, Serialize};

use super::processes;
use crate::secret::random_hex;
use crate::sha256::Sha256;

/// The run that nodes are created for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunIdentity {
    /// Eight lower-case hexadecimal digits, unique per run. Folders and containers are named after it.
    pub run_id: String,
    /// Leave everything running at the end, for a person to look at.
    pub keep: bool,
}

impl RunIdentity {
    /// An identity, if the id is valid.
    pub fn new(run_id: impl Into<String>, keep: bool) -> Result<Self> {
        let run_id = run_id.into();
        if !is_run_id(&run_id) {
            return Err(Error::usage(format!(
                "`{run_id}` is no run id: eight lower-case hex digits are wanted"
            )));
        }
        Ok(Self { run_id, keep })
    }

    /// An identity that no other run has.
    pub fn random(keep: bool) -> Result<Self> {
        Self::new(random_hex::<4>()?, keep)
    }
}

/// Whether a text has the form of a run id.
pub(super) fn is_run_id(text: &str) -> bool {
    text.len() == 8 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Refuses a node name that is not valid as a folder, a host name and part of a label.
pub(super) fn check_node_name(name: &str) -> Result<()> {
    let fits = (1..=32).contains(&name.len())
        && !name.starts_with('-')
        && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    if fits {
        return Ok(());
    }
    Err(Error::usage(format!(
        "`{name}` is no name for a node: 1 to 32 lower-case letters, digits and `-` are wanted"
    )))
}

/// The process that owns a run, distinguishable from any later process with the same number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Owner {
    /// Its number, in its process namespace.
    pub(super) pid: i32,
    /// When it started, in clock ticks since boot: field 22 of `/proc/PID/stat`.
    pub(super) start_ticks: u64,
    /// The boot of the machine that it ran on.
    pub(super) boot_id: String,
    /// The process namespace of the number.
    pub(super) pid_ns: String,
    /// The machine that it ran on, the same for each of its boots; empty if unknown.
    #[serde(default)]
    pub(super) machine: String,
}

/// What is known about an owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    /// It is running.
    Alive,
    /// It is no longer running.
    Dead,
    /// It belongs to another machine, boot or process namespace, which is not visible from here.
    Elsewhere,
}

impl Owner {
    /// The current process.
    pub(super) fn current() -> Result<Self> {
        let pid = rustix::process::getpid().as_raw_nonzero().get();
        let process = processes::lookup(pid)
            .ok_or_else(|| Error::could_not_verify(format!("/proc/{pid}/stat cannot be read")))?;
        Ok(Self {
            pid,
            start_ticks: process.start_ticks,
            boot_id: boot_id()?,
            pid_ns: pid_namespace()?,
            machine: machine(),
        })
    }

    /// Whether it is still running, as far as this process can see.
    pub(super) fn life(&self) -> Result<Life> {
        if self.boot_id != boot_id()? || self.pid_ns != pid_namespace()? {
            return Ok(Life::Elsewhere);
        }
        let alive = processes::lookup(self.pid)
            .is_some_and(|process| process.start_ticks == self.start_ticks && !process.is_gone());
        Ok(if alive { Life::Alive } else { Life::Dead })
    }

    /// Whether it ran on this machine before the last boot. False for another machine: its boots differ too, so
    /// nothing is known.
    pub(super) fn is_of_an_earlier_boot(&self) -> Result<bool> {
        Ok(!self.machine.is_empty() && self.machine == machine() && self.boot_id != boot_id()?)
    }
}

/// The id of this boot of this machine.
fn boot_id() -> Result<String> {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").context("read the boot id")?;
    Ok(text.trim().to_owned())
}

/// A digest that identifies this machine: of systemd's machine id, which is confidential, and of the host name,
/// because cloned machines often share the id. Empty if this machine has no id.
fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default();
    let ids = ["/etc/machine-id", "/var/lib/dbus/machine-id"].map(read);
    let Some(id) = ids.iter().find(|id| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
    else {
        return String::new();
    };
    let digest = Sha256::of(format!("comeback {id} {}", read("/proc/sys/kernel/hostname")).as_bytes());
    digest[..16].to_owned()
}

fn pid_namespace() -> Result<String> {
    let link = fs::read_link("/proc/self/ns/pid").context("read the process namespace")?;
    let text = link.to_string_lossy();
    Ok(text.trim_start_matches("pid:").trim_matches(['[', ']']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_alive_until_one_of_its_marks_differs() {
        let me = Owner::current().unwrap();
        assert_eq!(me.life().unwrap(), Life::Alive);
        let later = Owner { start_ticks: me.start_ticks + 1, ..me.clone() };
        assert_eq!(later.life().unwrap(), Life::Dead);
        let other_boot = Owner { boot_id: "x".to_owned(), ..me.clone() };
        assert_eq!(other_boot.life().unwrap(), Life::Elsewhere);
        let other_namespace = Owner { pid_ns: "x".to_owned(), ..me };
        assert_eq!(other_namespace.life().unwrap(), Life::Elsewhere);
    }

    #[test]
    fn run_ids_and_node_names_are_checked() {
        assert!(RunIdentity::new("0badcafe", false).is_ok());
        for bad in ["", "0BADCAFE", "0badcaf", "../../..", "0badcafe0"] {
            assert!(RunIdentity::new(bad, false).is_err(), "{bad}");
        }
        assert!(check_node_name("restored-2").is_ok());
        for bad in ["", "-a", "a/b", "..", "Primary", "a_b"] {
            assert!(check_node_name(bad).is_err(), "{bad}");
        }
    }
}
