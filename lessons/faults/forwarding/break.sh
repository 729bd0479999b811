# shellcheck shell=sh
change /etc/sysctl.d/90-lab.conf -e 's#^net.ipv4.ip_forward *= *1#net.ipv4.ip_forward = 0#'
sysctl -q -w net.ipv4.ip_forward=0
