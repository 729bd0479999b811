#!/bin/sh
# Which services a lab guest runs. $1 is the root of the image.
set -eu
root=$1
in_root() { chroot "$root" systemctl --quiet "$@"; }

in_root enable systemd-networkd.service systemd-resolved.service systemd-timesyncd.service ssh.service
# Started by stages, where they are wanted.
in_root disable etcd.service haproxy.service keepalived.service containerd.service

# Nothing a guest of a few days needs; each costs time at every emulated boot.
for unit in \
    apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer man-db.timer e2scrub_all.timer \
    e2scrub_reap.service fstrim.timer systemd-networkd-wait-online.service systemd-pstore.service \
    systemd-network-generator.service systemd-binfmt.service systemd-firstboot.service \
    getty@tty1.service systemd-update-utmp.service systemd-update-utmp-runlevel.service \
    modprobe@drm.service modprobe@efi_pstore.service cloud-init-hotplugd.socket; do
    ln -sfn /dev/null "$root/etc/systemd/system/$unit"
done
ln -sfn /lib/systemd/system/multi-user.target "$root/etc/systemd/system/default.target"

mkdir -p "$root/etc/ssh/sshd_config.d"
cat >"$root/etc/ssh/sshd_config.d/10-lab.conf" <<'CONF'
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin no
UseDNS no
PrintLastLog no
HostKey /etc/ssh/ssh_host_ed25519_key
MaxSessions 50
CONF
rm -f "$root"/etc/update-motd.d/*
: >"$root/etc/motd"
