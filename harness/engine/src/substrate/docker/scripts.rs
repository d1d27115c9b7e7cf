//! Shell scripts that run in a container. Every image with a server has `sh`, and little else is certain.

use crate::substrate::processes::parse;

/// Our own scripts print this when there is no such program, with exit code 127.
pub(super) const NO_PROGRAM: &str = "comeback: no such program";

/// Run by root: gives the folder to the first user that exists, and prints that user and the folder of PostgreSQL's
/// programs.
pub(super) const PREPARE: &str = r#"
for user in "$@"; do id -u "$user" >/dev/null 2>&1 && break; done
uid=$(id -u "$user") && gid=$(id -g "$user") || exit 1
mkdir d && chmod 0700 d && chown "$uid:$gid" d || exit 1
echo "$uid:$gid"
ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -rV
pg_config --bindir 2>/dev/null
exit 0"#;
/// Replaces the shell by the program.
pub(super) const EXEC: &str = r#"
command -v "$1" >/dev/null 2>&1 || { echo "comeback: no such program" >&2; exit 127; }
exec "$@""#;
/// Prints its process, closes its outputs, and replaces the shell by the server. It does not use `&`, because the
/// server would then ignore SIGINT.
pub(super) const START: &str = r#"
log=$1; shift
command -v "$1" >/dev/null 2>&1 || { echo "comeback: no such program" >&2; exit 127; }
: >>"$log" || exit 1
cat "/proc/$$/stat"
exec "$@" >>"$log" 2>&1 </dev/null"#;
/// Run by the service user: kills all its processes except this one, at once, and prints what is left.
pub(super) const KILL: &str = r#"
kill -9 -1 2>/dev/null
echo "$$"
for one in /proc/[0-9]*; do [ -O "$one" ] && read -r stat <"$one/stat" && echo "$stat"; done 2>/dev/null
exit 0"#;
/// Removes the System V shared memory of dead processes; this container's namespace has no other users.
pub(super) const FORGET: &str = r#"
while read -r key id perms size cpid lpid nattch rest; do
  [ "$nattch" = 0 ] && ipcrm -m "$id"
done </proc/sysvipc/shm
exit 0"#;

/// Run by the service user: kills all its other processes, and removes what they left in a folder of the host.
pub(super) const EMPTY_SOCKETS: &str = r#"
kill -9 -1 2>/dev/null
[ -z "$1" ] || find "$1" -mindepth 1 -depth -exec rm -rf -- {} + 2>/dev/null
exit 0"#;
/// Prints the state of a process, if it exists.
pub(super) const LOOK: &str = r#"cat "/proc/$1/stat" 2>/dev/null; exit 0"#;
/// Sends a signal to a process, if it exists.
pub(super) const SIGNAL: &str = r#"kill -s "$1" "$2"; exit 0"#;
/// Prints the path of a program.
pub(super) const FIND: &str = r#"command -v "$1"; exit 0"#;

/// The number of processes in a list of `/proc/PID/stat` lines. The first line is the number of the script that
/// made the list.
pub(super) fn survivors(listing: &str) -> usize {
    let mut lines = listing.lines();
    let own = lines.next().unwrap_or_default();
    lines
        .filter(|line| line.split_whitespace().next() != Some(own))
        .filter(|line| parse(0, line).is_some_and(|process| !process.is_gone()))
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_the_script_nor_zombies_count_as_survivors() {
        let rest = "1 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1 2";
        let listing = format!("7\n7 (sh) R {rest}\n8 (postgres) Z {rest}\n");
        assert_eq!(survivors(&listing), 0);
        assert_eq!(survivors(&format!("{listing}9 (sleep) D {rest}\n")), 1);
    }
}
