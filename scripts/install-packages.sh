#!/usr/bin/env bash
# Installs what building, running and testing lab needs on Debian 12.
#
# Changes nothing in /etc/apt. Where qemu-utils already came from backports, QEMU is taken from
# there, too: the two must be of one version. Skips all of it when everything is there.
#
#   install-packages.sh [tests]
set -euo pipefail

packages=(
    libvirt-daemon libvirt-daemon-driver-qemu libvirt-daemon-config-network libvirt-clients
    libvirt-dev pkg-config gcc libc6-dev dnsmasq-base qemu-utils
    iproute2 nftables iptables e2fsprogs mmdebstrap openssl openssh-client procps libxml2-utils
)
# What tests run in namespaces; none of it is started as a service of this computer.
services=(haproxy keepalived etcd-server)
[[ ${1:-} != tests ]] || packages+=("${services[@]}" etcd-client curl python3 python3-pip python3-yaml util-linux systemd systemd-container ansible-core
    uidmap shellcheck)
qemu=(qemu-system-x86 qemu-system-common qemu-system-data seabios)
options=(-qq -y --no-install-recommends -o Dpkg::Options::=--force-confold -o DPkg::Lock::Timeout=300
    -o Dpkg::Use-Pty=0)

say() { printf '[packages] %s\n' "$*"; }

missing=()
for name in "${packages[@]}" "${qemu[@]}"; do
    state=$(dpkg-query -W -f='${db:Status-Abbrev}' "$name" 2>/dev/null || true)
    [[ $state == ii* ]] || missing+=("$name")
done
if [[ ${#missing[@]} -eq 0 ]]; then
    say "everything is installed"
    exit 0
fi

if [[ $(id -u) -ne 0 ]]; then
    command -v sudo >/dev/null || { say "error: run this as root, or install sudo" >&2; exit 1; }
    exec sudo -- "$0" "$@"
fi
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
say "installing ${missing[*]}"
# Debian starts what it installs, unless a policy forbids it.
policy=/usr/sbin/policy-rc.d temporary=()
trap '[[ ${#temporary[@]} -eq 0 ]] || rm -rf -- "${temporary[@]}"' EXIT
if [[ ! -e $policy ]]; then
    temporary+=("$policy")
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
quiet() {
    local name unit
    for name in "${services[@]}"; do
        unit=${name%-server}
        [[ " ${missing[*]} " != *" $name "* || ! -d /run/systemd/system ]] || systemctl --quiet disable "$unit" || true
    done
}
apt-get -qq update || say "some package lists could not be read; going on"

installed=$(dpkg-query -W -f='${Version}' qemu-utils 2>/dev/null || true)
if [[ $installed != *~bpo* ]]; then
    apt-get "${options[@]}" install "${missing[@]}" >/dev/null
    quiet
    exit 0
fi

# Private lists with the backports suite added: same mirror, same keyring, nothing left behind.
apt=$(mktemp -d)
temporary+=("$apt")
mkdir -p "$apt/parts" "$apt/lists/partial"
for file in /etc/apt/sources.list.d/*.sources; do
    [[ -e $file ]] || continue
    cp "$file" "$apt/parts/"
    awk 'BEGIN { RS = ""; ORS = "\n\n" }
        /(^|\n)Suites:[^\n]*[ \t]bookworm([ \t\n]|$)/ {
            sub(/Suites:[^\n]*/, "Suites: bookworm-backports"); print
        }' "$file" >>"$apt/parts/zz-backports.sources"
done
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
    [[ -e $file ]] || continue
    cp "$file" "$apt/parts/$(basename "$file" .list).list"
    sed -nE '/^deb[ \t].*[ \t]bookworm[ \t]/ { s/[ \t]bookworm[ \t].*/ bookworm-backports main/; p }' \
        "$file" >>"$apt/parts/zz-backports.list"
done
private=(-o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$apt/parts"
    -o Dir::State::lists="$apt/lists" -o APT::Sandbox::User=root)
apt-get "${private[@]}" -qq update || say "some package lists could not be read; going on"
plain=()
for name in "${missing[@]}"; do
    [[ " ${qemu[*]} " == *" $name "* ]] || plain+=("$name")
done
apt-get "${private[@]}" "${options[@]}" install "${plain[@]}" "${qemu[@]/%//bookworm-backports}" >/dev/null
quiet
