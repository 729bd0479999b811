#!/bin/sh
# First process of a machine, before systemd takes its place: what a kernel of its own would give it, and
# a kernel that is shared with others does not. $1 is the machine's card address.
set -eu

# systemd-nspawn mounts the controllers of control groups v1 read-only. The machine's root group is one of
# its own, in a namespace of control groups, so writing there changes nothing of anybody else's.
for controller in /sys/fs/cgroup/*; do
  if mountpoint -q "$controller"; then mount -o remount,rw,nosuid,nodev,noexec,bind "$controller"; fi
done

# Kernel settings that have no namespace: stages may write them, and read back what they wrote, in files
# that lie over the real ones. nf_conntrack_max has one, but only the first namespace may change it.
mkdir -p /run/machine
for setting in vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops \
  kernel/keys/root_maxkeys kernel/keys/root_maxbytes fs/inotify/max_user_instances \
  fs/inotify/max_user_watches net/netfilter/nf_conntrack_max; do
  test -e "/proc/sys/$setting" || continue
  file=/run/machine/$(echo "$setting" | tr / _)
  echo 0 >"$file"
  mount --bind "$file" "/proc/sys/$setting"
done

# systemd-nspawn leaves the kernel's modules out of /sys. Read-only: kube-proxy then sees how large the table
# of connections is, and does not change this computer's.
mkdir -p /run/machine/sys
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs /run/machine/sys
mount -o remount,rw,nosuid,nodev,noexec,bind /sys
mkdir /sys/module
mount --bind /run/machine/sys/module /sys/module
mount -o remount,ro,nosuid,nodev,noexec,bind /sys
umount /run/machine/sys

# What the kernel of this computer has built in, so that modprobe finds it.
modules=/lib/modules/$(uname -r)
if ! test -e "$modules/modules.builtin.bin"; then
  mkdir -p "$modules"
  for module in overlay br_netfilter nf_conntrack nf_tables; do
    echo "kernel/$module.ko"
  done >"$modules/modules.builtin"
  : >"$modules/modules.order"
  depmod
fi

# Two machines with one id of the hardware would be one to whoever counts nodes by it.
if test -e /sys/class/dmi/id/product_uuid; then
  mount --bind /etc/machine-product-uuid /sys/class/dmi/id/product_uuid
fi

# The card is known by its address, as in guests.
ip link set host0 address "$1"
exec /lib/systemd/systemd
