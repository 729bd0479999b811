#!/bin/sh
# A package that stages want and the machine lacks, with one that it needs, from a repository of the machine's own.
dpkg --purge ethtool >/dev/null 2>&1 || true
make() {
  work=$(mktemp -d)
  mkdir -p "$work/DEBIAN" "$work/usr/share/$1"
  echo "of $1" >"$work/usr/share/$1/file"
  printf 'Package: %s\nVersion: 9\nArchitecture: all\nMaintainer: nobody <nobody@example.com>\nDescription: a test\n%s' "$1" "$2" >"$work/DEBIAN/control"
  chmod 755 "$work"
  dpkg-deb --root-owner-group --build "$work" "/srv/repository/$1.deb" >/dev/null
  { cat "$work/DEBIAN/control"; printf 'Filename: ./%s.deb\nSize: %s\nSHA256: %s\n\n' "$1" \
      "$(stat -c %s "/srv/repository/$1.deb")" "$(sha256sum "/srv/repository/$1.deb" | cut -d' ' -f1)"; } >>/srv/repository/Packages
  rm -r "$work"
}
mkdir -p /srv/repository
make ethtool 'Depends: ethtool-data
'
make ethtool-data ''
rm -rf /etc/apt/sources.list /etc/apt/sources.list.d
echo 'deb [trusted=yes] file:/srv/repository ./' >/etc/apt/sources.list
