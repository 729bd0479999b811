# shellcheck shell=sh
change /etc/haproxy/haproxy.cfg -e '/^backend api/,/^frontend/s#^\( *server .*\):[0-9]* check#\1:6433 check#'
systemctl reload-or-restart haproxy
