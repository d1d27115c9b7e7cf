//! The data of the fake, and their JSON form.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use comeback_secrets::crc32c;
use serde_json::{Value, json};

use super::{Fault, NUMBER};

/// The secrets of the project, in the order of their creation.
#[derive(Debug, Default)]
pub(super) struct Project {
    pub(super) secrets: Vec<Secret>,
}

#[derive(Debug, Default)]
pub(super) struct Secret {
    pub(super) id: String,
    pub(super) labels: BTreeMap<String, String>,
    /// The number of changes.
    pub(super) revision: u64,
    pub(super) versions: Vec<Version>,
}

#[derive(Debug)]
pub(super) struct Version {
    pub(super) state: VersionState,
    /// Empty once it is destroyed.
    pub(super) value: Vec<u8>,
}

/// With the numbers of the API's enumeration, which the client uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum VersionState {
    Enabled = 1,
    Disabled = 2,
    Destroyed = 3,
}

impl Project {
    pub(super) fn find(&mut self, id: &str) -> Option<&mut Secret> {
        self.secrets.iter_mut().find(|secret| secret.id == id)
    }
}

impl Secret {
    fn name(&self) -> String {
        format!("projects/{NUMBER}/secrets/{}", self.id)
    }

    pub(super) fn etag(&self) -> String {
        format!("\"{:x}\"", self.revision)
    }

    pub(super) fn written(&self) -> Value {
        json!({
            "name": self.name(),
            "replication": { "automatic": {} },
            "createTime": "2026-11-22T06:00:00.123456Z",
            "labels": self.labels,
            "etag": self.etag(),
        })
    }

    /// A version in JSON, without its value.
    pub(super) fn written_version(&self, number: usize) -> Value {
        let version = &self.versions[number - 1];
        json!({
            "name": format!("{}/versions/{number}", self.name()),
            "createTime": "2026-11-22T06:00:00.123456Z",
            "state": version.state as i32,
            "replicationStatus": { "automatic": {} },
            "etag": format!("\"{:x}-{number}\"", self.revision),
            "clientSpecifiedPayloadChecksum": true,
        })
    }

    /// The value of a version, in JSON.
    pub(super) fn written_value(&self, number: usize, fault: Option<Fault>) -> Value {
        let value = &self.versions[number - 1].value;
        // In JSON, a 64-bit number is a text.
        let mut payload = json!({ "data": STANDARD.encode(value), "dataCrc32c": crc32c(value).to_string() });
        match fault {
            Some(Fault::WrongCrc32c) => payload["dataCrc32c"] = json!((crc32c(value) ^ 1).to_string()),
            Some(Fault::MissingCrc32c) => {
                payload.as_object_mut().unwrap().remove("dataCrc32c");
            }
            Some(Fault::MisplacedValue) => payload = json!(String::from_utf8_lossy(value)),
            _ => {}
        }
        json!({ "name": format!("{}/versions/{number}", self.name()), "payload": payload })
    }
}
