//! Estimates the disk space and memory that drills need.

use std::sync::Arc;

use comeback_engine::runner::Scenario;
use comeback_engine::substrate::Need;
use comeback_fixtures::Scale;

/// The need of a drill with almost no data: two empty clusters with their logs, and the programs' own memory.
const EMPTY_DISK_BYTES: u64 = 250_000_000;
const EMPTY_MEMORY_BYTES: u64 = 150_000_000;

/// The need of these drills at a scale, with `jobs` of them at once; with `keep`, all of them at once.
///
/// A lower bound: a run that it refuses cannot succeed. Free space is watched during the drills.
pub fn need(scenarios: &[Arc<dyn Scenario>], scale: Scale, jobs: usize, keep: bool) -> Need {
    let at_once = if keep { scenarios.len() } else { jobs.clamp(1, scenarios.len().max(1)) } as u64;
    let all = scenarios.iter().map(|scenario| of_one(&scenario.spec().name, scale.target_bytes()));
    let most = all.fold(Need::default(), |most, one| Need {
        node_bytes: most.node_bytes.max(one.node_bytes),
        repository_bytes: most.repository_bytes.max(one.repository_bytes),
        memory_bytes: most.memory_bytes.max(one.memory_bytes),
    });
    Need {
        node_bytes: most.node_bytes.saturating_mul(at_once),
        repository_bytes: most.repository_bytes.saturating_mul(at_once),
        memory_bytes: most.memory_bytes.saturating_mul(at_once),
    }
}

fn of_one(scenario: &str, data: u64) -> Need {
    match scenario.split('/').next().unwrap_or_default() {
        // Nodes: the data in the primary and in the restored server. Backup: a third of it, compressed.
        "postgres" | "content" => Need {
            node_bytes: 2 * data + EMPTY_DISK_BYTES,
            repository_bytes: data / 3,
            memory_bytes: EMPTY_MEMORY_BYTES,
        },
        // Memory: the data, and once more during the exchange. Disk: the file that the server loads.
        "redis" => {
            Need { node_bytes: data / 2, repository_bytes: data / 3, memory_bytes: data + EMPTY_MEMORY_BYTES }
        }
        // The smallest cluster, and a copy of this program.
        "secrets" => {
            Need { node_bytes: EMPTY_DISK_BYTES, repository_bytes: 0, memory_bytes: EMPTY_MEMORY_BYTES }
        }
        // A third server of each: the old primary, and a replica beside the server that serves.
        "dr" if scenario == "dr/failback" => Need {
            node_bytes: 3 * data + data + 3 * EMPTY_DISK_BYTES,
            repository_bytes: 0,
            memory_bytes: 2 * data + 3 * EMPTY_MEMORY_BYTES,
        },
        // PostgreSQL and Redis at once; and photos, half as large as the data, in the application's node and in two buckets
        // beside the backups.
        "dr" => Need {
            node_bytes: 2 * data + data / 2 + data / 2 + 2 * EMPTY_DISK_BYTES,
            repository_bytes: 2 * (data / 3) + 2 * (data / 2),
            memory_bytes: data + 2 * EMPTY_MEMORY_BYTES,
        },
        _ => Need::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_drill_counts_and_those_beside_it() {
        let all = crate::all();
        let one = need(&all, Scale::Large, 1, false);
        assert!(one.node_bytes > 2 * Scale::Large.target_bytes() && one.memory_bytes > 20_000_000_000);
        assert_eq!(need(&all, Scale::Large, 2, false).node_bytes, 2 * one.node_bytes);
        let kept = need(&all, Scale::Large, 1, true);
        assert_eq!(kept.node_bytes, all.len() as u64 * one.node_bytes);
        assert_eq!(need(&all[..1], Scale::Ci, 8, false).node_bytes, 8_000_000 + EMPTY_DISK_BYTES);
        assert_eq!(need(&[], Scale::Large, 1, true), Need::default());
    }
}
