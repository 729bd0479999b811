#!/bin/sh
# Makes the file system in $1 that of the node whose seed files are in $2: what cloud-init does in guests. $3 is
# the machine's first program.
set -eu
umask 022
root=$1 seed=$2 init=$3
install -m 444 "$seed/machine-id" "$root/etc/machine-id"
install -m 400 "$seed/product_uuid" "$root/etc/machine-product-uuid"
install -m 644 "$seed/hostname" "$root/etc/hostname"
install -D -m 644 "$seed/network" "$root/etc/systemd/network/10-netplan-lan0.network"
install -m 600 "$seed/host_key" "$root/etc/ssh/ssh_host_ed25519_key"
install -m 644 "$seed/host_key.pub" "$root/etc/ssh/ssh_host_ed25519_key.pub"
user=$(cat "$seed/user")
chroot "$root" useradd --create-home --shell /bin/bash --comment lab "$user"
echo "$user ALL=(ALL) NOPASSWD:ALL" >"$root/etc/sudoers.d/90-cloud-init-users"
chmod 440 "$root/etc/sudoers.d/90-cloud-init-users"
install -d -m 700 "$root/home/$user/.ssh"
install -m 600 "$seed/authorized_keys" "$root/home/$user/.ssh/authorized_keys"
chroot "$root" chown -R "$user:" "/home/$user"

install -m 755 "$init" "$root/usr/local/sbin/machine-init"
# A sandbox may not be given a better oom_score_adj than whoever starts it, and that is not root of the
# computer in every place where tests run. The stage's own file stays as it is; containerd reads a copy.
install -d "$root/etc/systemd/system/containerd.service.d"
cat >"$root/etc/systemd/system/containerd.service.d/machine.conf" <<'UNIT'
[Service]
ExecStartPre=/bin/sh -c 'sed "/^.plugins.\\"io.containerd.grpc.v1.cri\\".$/a restrict_oom_score_adj = true" /etc/containerd/config.toml >/run/machine/containerd.toml'
ExecStart=
ExecStart=/usr/bin/containerd --config=/run/machine/containerd.toml
UNIT
