#!/bin/sh
# Outlives the test by a moment, however that ends: removes its directory, $1, and its control groups, the
# others. Starts when standard input ends.
trap '' HUP INT TERM
cat >/dev/null
dir=$1
shift
for _ in $(seq 100); do
  left=
  for group in "$@"; do
    find "$group" -depth -type d -exec rmdir {} \; 2>/dev/null
    if test -d "$group"; then left=yes; fi
  done
  test -n "$left" || break
  sleep 0.1
done
rm -rf --one-file-system "$dir"
