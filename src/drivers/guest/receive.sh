set -eu
umask 077
mkdir -p /var/lib/lab
stage=$(mktemp -d /var/lib/lab/.put-XXXXXX)
trap 'rm -rf "$stage"' EXIT
tar -x -C "$stage" -f -
test -e "$stage/complete"
while read -r kind name mode owner path; do
  if [ "$kind" = d ]; then
    (umask 022; mkdir -p "$path"); chown "$owner" "$path"; chmod "$mode" "$path"
  else
    parent=${path%/*}; (umask 022; mkdir -p "$parent")
    cp "$stage/$name" "$path.lab-new"
    chown "$owner" "$path.lab-new"; chmod "$mode" "$path.lab-new"
    mv -fT "$path.lab-new" "$path"
  fi
done < "$stage/manifest"
sync -f /var/lib/lab
