# shellcheck shell=sh
test "$(systemctl is-enabled kubelet)" = enabled
