//! Damages that several stores share. Each store injects them in its own way.

use comeback_model::FindingCode;

use super::DamageSpec;

/// For a restored server of any kind.
pub const LOG_WARNING: DamageSpec = DamageSpec {
    name: "log-warning",
    does: "the server logs a warning",
    judge: "server-log",
    finding: FindingCode::ServerLog,
};

/// For the writes of a workload.
pub const WRITE_LOST: DamageSpec = DamageSpec {
    name: "write-lost",
    does: "every row of an acknowledged transaction is gone",
    judge: "ledger",
    finding: FindingCode::WriteLost,
};

/// For the writes of a workload.
pub const WRITE_PHANTOM: DamageSpec = DamageSpec {
    name: "write-phantom",
    does: "a row of a transaction is there that was rolled back, or never was",
    judge: "ledger",
    finding: FindingCode::WritePhantom,
};
