# Checks the files of the delivery with the digest $1 by $2, sums and names, has /opt/lab lead to them, and removes those before.
place=/var/lib/lab/artifacts/$1
if ! test -e "$place/complete"; then
  bad=$(cd "$place" && printf '%s' "$2" | sha256sum -c --quiet 2>/dev/null | sed -n 's/: FAILED.*//p')
  if test -n "$bad"; then
    # The next run brings them anew.
    for name in $bad; do rm -f "$place/$name"; done
    echo "came damaged: $bad" >&2
    exit 1
  fi
  chmod -R u=rwX,go=rX "$place"
  find "$place/bin" -type f -exec chmod 755 {} +
  sync -f "$place"
  : >"$place/complete"
fi
if test -e /opt/lab && ! test -L /opt/lab; then
  echo '/opt/lab is there, and not of lab: move it away' >&2
  exit 1
fi
ln -sfnT "$place" /opt/lab.lab-new
mv -fT /opt/lab.lab-new /opt/lab
for old in /var/lib/lab/artifacts/*; do
  test "$old" = "$place" || rm -rf "$old"
done
