# shellcheck shell=sh
test "$(systemctl is-enabled containerd)" = enabled
