#!/usr/bin/env bash
# Builds the file system that machines of systemd-nspawn in tests share: a Debian 12 with the packages
# of a guest, but for kernel and cloud-init, set up by the hooks of guest images. Prints its path.
#
# Built once, from the sources that this computer's apt uses itself, and again when what it is made
# of changes. Needs root and mmdebstrap.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
dir=${XDG_CACHE_HOME:-$HOME/.cache}/lab/machines
suite=bookworm
catalogue=$root/cloud-init/debian-12/image.json

say() { printf '[machines %4ds] %s\n' "$SECONDS" "$*" >&2; }
fail() { say "error: $*"; exit 1; }

packages=(
    systemd systemd-sysv systemd-resolved systemd-timesyncd libnss-resolve libnss-myhostname dbus openssh-server sudo
    iproute2 iputils-ping ca-certificates e2fsprogs kmod procps jq less openssl python3
    haproxy keepalived ipset ebtables busybox-static catatonit
)
# What stages install: it must be there already, for machines have no way to a mirror.
mapfile -t more < <(sed -n '/"packages"/,/}/ s/.*\[\(.*\)\].*/\1/p' "$catalogue" | tr -d '" ' | tr ',' '\n')
[[ ${#more[@]} -gt 0 ]] || fail "no packages found in $catalogue"
packages+=("${more[@]}")
# Services and ssh as in guests' images, and what must not be shared is taken out.
hooks=("$root/cloud-init/build/10-services.sh" "$root/cloud-init/build/90-clean.sh")
options=(
    --quiet --mode=root --variant=apt --format=directory
    --aptopt='Apt::Install-Recommends "false"'
    --dpkgopt='path-exclude=/usr/share/doc/*'
    --dpkgopt='path-exclude=/usr/share/man/*'
    --dpkgopt='path-exclude=/usr/share/info/*'
    --dpkgopt='path-exclude=/usr/share/locale/*'
)
include=$(printf '%s\n' "${packages[@]}" | sort -u | paste -sd,)
inputs=$({ printf '%s\n' "$include" "$suite" "${options[@]}"; cat "${hooks[@]}"; } | sha256sum | cut -c1-16)
built=$dir/root-$inputs

[[ $(id -u) -eq 0 ]] || fail "a file system that belongs to root is built by root alone: sudo $0"
mkdir -p "$dir"
exec 9>"$dir/lock"
flock 9
# Those that nobody asked for in a month go.
find "$dir" -mindepth 1 -maxdepth 1 -name 'root-*' -mtime +30 ! -path "$built" -exec rm -rf {} +
find "$dir" -mindepth 1 -maxdepth 1 -name 'building-*' -exec rm -rf {} +
if [[ -d $built ]]; then
    touch "$built"
    echo "$built"
    exit 0
fi

work=$(mktemp -d "$dir/building-XXXXXX")
trap 'rm -rf "$work"' EXIT
# Debian's own sources of this computer, by their keyring, and no others.
for file in /etc/apt/sources.list.d/*.sources; do
    [[ -e $file ]] || continue
    awk -v suite="$suite" 'BEGIN { RS = ""; ORS = "\n\n" }
        $0 ~ "(^|\n)Suites:[^\n]*[ \t]" suite "([- \t\n]|$)" && /debian-archive-/ && !/(^|\n)Enabled: *no/ {
            sub(/Types:[^\n]*/, "Types: deb"); print
        }' "$file" >>"$work/debian.sources"
done
if [[ -e /etc/apt/sources.list ]]; then
    grep -E "^deb[[:space:]].*[[:space:]]$suite(-[a-z]+)?[[:space:]]" /etc/apt/sources.list >"$work/debian.list" || true
fi
sources=()
for file in "$work/debian.sources" "$work/debian.list"; do
    [[ ! -s $file ]] || sources+=("$file")
done
[[ ${#sources[@]} -gt 0 ]] || fail "no Debian sources for $suite in /etc/apt: this computer must use them itself"
# How this computer reaches them.
while IFS= read -r option; do
    options+=("--aptopt=$option")
done < <(apt-config dump --no-empty --format '%f "%v"%n' Acquire |
    grep -E '^Acquire::(https?::Proxy|Retries|Check-Valid-Until|Check-Date) ' || true)
for hook in "${hooks[@]}"; do
    options+=("--customize-hook=sh '$hook' \"\$1\"")
done

say "installing packages (mmdebstrap); once, about a minute"
LC_ALL=C mmdebstrap "${options[@]}" --include="$include" "$suite" "$work/root" "${sources[@]}" >"$work/log" 2>&1 9>&- || {
    tail -n 20 "$work/log" >&2
    fail "mmdebstrap could not build the file system of the machines"
}
mv -T "$work/root" "$built"
say "done: $(du -sh "$built" | cut -f1)"
echo "$built"
