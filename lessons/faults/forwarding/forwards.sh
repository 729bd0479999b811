# shellcheck shell=sh
test "$(cat /proc/sys/net/ipv4/ip_forward)" = 1
# Also after the next boot, wherever that is written.
! cat /etc/sysctl.conf /etc/sysctl.d/*.conf 2>/dev/null | grep -q "^net.ipv4.ip_forward *= *0"
