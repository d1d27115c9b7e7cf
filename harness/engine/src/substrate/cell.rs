//! A cell: what surrounds a server that runs somebody else's code, such as the functions of a restored database.

use std::sync::Arc;

use super::Substrate;
use super::room::free_memory;

/// Processes and threads of a node: a server with a few hundred connections has enough.
const PROCESSES: u32 = 512;
/// The least memory that a cell gives, in bytes.
const LEAST_MEMORY_BYTES: u64 = 1 << 30;

/// The limits of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    /// Most processes and threads at once.
    pub processes: u32,
    /// Most memory, in bytes: of a whole container, or of each process of this machine.
    pub memory_bytes: u64,
}

impl Cell {
    /// Limits that leave this machine a quarter of the memory that is free now.
    pub fn of_this_machine() -> Self {
        let free = free_memory().unwrap_or(LEAST_MEMORY_BYTES);
        Self { processes: PROCESSES, memory_bytes: (free / 4 * 3).max(LEAST_MEMORY_BYTES) }
    }
}

/// The substrate of contained nodes, and how far they are contained.
pub struct Contained {
    /// Creates contained nodes.
    pub substrate: Arc<dyn Substrate>,
    /// What the cell does, in one sentence for the record.
    pub walls: String,
    /// What it does not do here, if anything.
    pub gaps: Option<String>,
}
