# shellcheck shell=sh
test "$(systemctl is-enabled kube-proxy)" = enabled
