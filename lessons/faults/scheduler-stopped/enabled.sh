# shellcheck shell=sh
test "$(systemctl is-enabled kube-scheduler)" = enabled
