//! System V shared memory that killed servers leave behind.
//!
//! PostgreSQL holds one small segment per server as a lock. A power cut would remove it; SIGKILL does not.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

/// Removes the segments that one of these processes of this user created after `since` (in seconds since 1970), if
/// no process is attached.
pub(in crate::substrate) fn remove_orphans(creators: &BTreeSet<i32>, uid: u32, since: i64) {
    let table = fs::read_to_string("/proc/sysvipc/shm").unwrap_or_default();
    for id in orphans(&table, creators, uid, since) {
        // A segment that remains costs 56 bytes and blocks nothing once its creator is gone.
        let _ = Command::new("ipcrm").args(["-m", &id]).output();
    }
}

fn orphans(table: &str, creators: &BTreeSet<i32>, uid: u32, since: i64) -> Vec<String> {
    // Columns: key shmid perms size cpid lpid nattch uid gid cuid cgid atime dtime ctime rss swap
    let mut found = Vec::new();
    for line in table.lines().skip(1) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let number = |index: usize| fields.get(index).and_then(|field| field.parse::<i64>().ok());
        let created_by_them =
            number(4).and_then(|pid| i32::try_from(pid).ok()).is_some_and(|pid| creators.contains(&pid));
        let is_orphan = created_by_them
            && number(6) == Some(0)
            && number(7) == Some(i64::from(uid))
            && number(13).is_some_and(|created| created >= since);
        if is_orphan && let Some(id) = fields.get(1) {
            found.push((*id).to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unattached_segments_of_our_dead_servers_are_orphans() {
        let table = "key shmid perms size cpid lpid nattch uid gid cuid cgid atime dtime ctime rss swap
            1 10 600 56 500 500 0 101 104 101 104 1000 1000 1000 4096 0
            2 11 600 56 500 500 1 101 104 101 104 1000 0 1000 4096 0
            3 12 600 56 501 501 0 101 104 101 104 1000 1000 1000 4096 0
            4 13 600 56 500 500 0 102 104 101 104 1000 1000 1000 4096 0
            5 14 600 56 500 500 0 101 104 101 104 1000 1000 999 4096 0
            ";
        assert_eq!(orphans(table, &BTreeSet::from([500]), 101, 1000), ["10"]);
    }
}
