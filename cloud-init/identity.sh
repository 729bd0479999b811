# A disk of somebody's own was a machine before, and may be copied more than once: the copy becomes one of its own.
set -eu
id=$1
test "$(cat /etc/machine-id)" = "$id" && exit 0
# What lab told another node.
rm -rf /var/lib/lab
echo "$id" >/etc/machine-id
systemctl --no-block restart systemd-journald
