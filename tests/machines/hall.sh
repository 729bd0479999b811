#!/bin/sh
# First process of the namespaces in which all machines are: their switch and the network's DNS, as libvirt
# would have them. $1 directory of the rig, $2 folder of binaries, $3 the gateway with its prefix.
set -eu
mount --make-rprivate /
# systemd-nspawn wants a /run in memory, and it is nobody else's.
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd
mount --bind "$2" "$1/lab/bin"
ip link set lo up
ip link add br0 type bridge
ip link set br0 up
ip address add "$3" dev br0
dnsmasq --keep-in-foreground --conf-file=/dev/null --user=root --pid-file= --no-resolv --no-hosts \
  --hostsdir="$1/hosts" --interface=br0 --bind-interfaces &
# It gives up capabilities, and with them what would end it with the test: it is not the first process.
wait
