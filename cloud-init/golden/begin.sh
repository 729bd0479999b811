# The last of cloud-init's work in a golden guest: everything below /run, so that a copy that boots is
# an ordinary guest.
set -eu
mkdir -p /run/systemd/system /run/udev/rules.d
cat >/run/systemd/system/lab-golden.service <<'UNIT'
[Unit]
Description=Wait for a node's seed
After=cloud-init.target multi-user.target ssh.service

[Service]
Type=oneshot
ExecStart=/bin/sh /run/lab/golden/wait.sh
UNIT
cat >/run/systemd/system/lab-personality.service <<'UNIT'
[Unit]
Description=Become a node
DefaultDependencies=no

[Service]
Type=oneshot
ExecStart=/bin/sh /run/lab/golden/personality.sh
StandardOutput=tty
StandardError=tty
TTYPath=/dev/ttyS0
UNIT
systemctl daemon-reload
systemctl start --no-block lab-golden.service
