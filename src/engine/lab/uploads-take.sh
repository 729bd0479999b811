# Takes what comes on standard input as the file $2 of the delivery $1, from byte $3 on; in the end it has $4 bytes.
umask 022
cd "/var/lib/lab/artifacts/$1"
touch "$2.part"
truncate -s "$3" "$2.part"
cat >>"$2.part"
# A connection that was cut looks like the end.
test "$(stat -c %s "$2.part")" = "$4" || { echo "$2 was cut" >&2; exit 1; }
mv -fT "$2.part" "$2"
