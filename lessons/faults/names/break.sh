# shellcheck shell=sh
change /etc/hosts -e "/^# BEGIN lab/,/^# END lab/s/^[0-9.]*\([[:space:]].*[[:space:]]$(hostname)\([[:space:]].*\)*$\)/192.0.2.99\1/"
