# Makes a copy of a golden guest the node whose seed was plugged in. A copy that boots later gets the
# same from cloud-init, for which the seed is a new instance.
set -eu
umask 022
seed=/run/lab/golden/seed
mkdir -p "$seed"
mount -o ro,umask=077 /dev/disk/by-label/CIDATA "$seed"
files=$seed/lab
test -d "$files" || exit 0

# All copies remember the same random numbers. What the host gives differs, but for the little that the
# guest had asked for before it was frozen.
dd if=/dev/hwrng of=/dev/urandom bs=1024 count=1 iflag=fullblock 2>/dev/null
perl -e 'open my $r, ">", "/dev/urandom" or die; ioctl $r, 0x5207, 0 or die "reseed: $!"'

# Then the time: the guest stood still since it was frozen.
date -s "@$(cat /sys/class/rtc/rtc0/since_epoch)" >/dev/null

cat "$files/machine-id" >/etc/machine-id
chmod 444 /etc/machine-id
cat /proc/sys/kernel/random/uuid >/run/lab/golden/boot-id
mount --bind /run/lab/golden/boot-id /proc/sys/kernel/random/boot_id
# The kernel read this when the golden guest booted; kubelets tell it as the id of their system.
cat "$files/product_uuid" >/run/lab/golden/product_uuid
chmod 400 /run/lab/golden/product_uuid
mount --bind /run/lab/golden/product_uuid /sys/class/dmi/id/product_uuid
cat "$files/hostname" >/etc/hostname
hostname -F /etc/hostname

mkdir -p /run/systemd/network
cat "$files/network" >/run/systemd/network/10-netplan-lan0.network
networkctl reload

user=$(cat "$files/user")
id "$user" >/dev/null 2>&1 || useradd --create-home --shell /bin/bash --comment lab "$user"
home=$(getent passwd "$user" | cut -d: -f6)
echo "$user ALL=(ALL) NOPASSWD:ALL" >/etc/sudoers.d/90-cloud-init-users
chmod 440 /etc/sudoers.d/90-cloud-init-users
install -d -m 700 "$home/.ssh"
install -m 600 "$files/authorized_keys" "$home/.ssh/authorized_keys"
chown -R "$user:" "$home/.ssh"

install -m 600 "$files/host_key" /etc/ssh/ssh_host_ed25519_key
install -m 644 "$files/host_key.pub" /etc/ssh/ssh_host_ed25519_key.pub
systemctl reload-or-restart ssh
umount "$seed"
# From now on it writes under the node's own name.
systemctl --no-block restart systemd-journald
