#!/bin/sh
# libvirt calls this around the start of each guest: name, operation, and the domain on standard input.
# Guests of low precedence are given what the others leave of the processors. A guest starts either way:
# libvirt takes a failure here for a failure to start.
test "$2" = started || exit 0
grep -q 'precedence="low"' || exit 0
pid=$(cat "/run/libvirt/qemu/$1.pid") && cd "/proc/$pid/task" || exit 0
renice -n 10 -p * >/dev/null
# Where Linux schedules sessions as one each, threads give way to those of their own session alone; the
# session to others. Whoever is no administrator may say so every tenth of a second.
for try in 1 2 3 4 5; do
    test ! -e ../autogroup || { echo 10 > ../autogroup; } 2>/dev/null && break
    sleep 0.2
done
exit 0
