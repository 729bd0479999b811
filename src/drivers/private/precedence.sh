#!/bin/sh
# libvirt calls this around the start of each guest: name, operation, and the domain on standard input.
# Guests of low precedence are given what the others leave of the processors. A guest starts either way:
# libvirt takes a failure here for a failure to start.
test "$2" = started || exit 0
grep -q 'precedence="low"' || exit 0
pid=$(cat "/run/libvirt/qemu/$1.pid") && cd "/proc/$pid/task" && renice -n 10 -p * >/dev/null
exit 0
