# shellcheck shell=sh
test "$(systemctl is-enabled etcd)" = enabled
