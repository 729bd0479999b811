# A golden guest at the end of its boot: what copies must not share goes, and the seed of a node, when
# it comes, makes the copy that node.
say() { echo "lab-golden: $*" >/dev/ttyS0; }
set -eu
for unit in systemd-networkd systemd-resolved ssh; do
    if ! systemctl --quiet is-active "$unit"; then
        say "cannot be one: $unit does not run in it"
        exit 0
    fi
done
if ! command -v perl >/dev/null || ! test -c /dev/hwrng; then
    say "cannot be one: its copies would share their random numbers, without perl and /dev/hwrng"
    exit 0
fi
echo 'ACTION=="add|change", SUBSYSTEM=="block", ENV{ID_FS_LABEL}=="CIDATA", TAG+="systemd", ENV{SYSTEMD_WANTS}+="lab-personality.service"' \
    >/run/udev/rules.d/99-lab.rules
udevadm control --reload
rm -f /etc/ssh/ssh_host_* /var/lib/systemd/random-seed /var/lib/dbus/machine-id
# A copy that boots makes its own, like any first boot.
: >/etc/machine-id
sync
say ready
