#!/usr/bin/env bash
# Brings pasta and slirp4netns into a folder of their own, for the tests of uplinks: where they are
# installed, labs of the other tests would have a way to the outside, too.
#
#   uplink-programs.sh DIR
set -euo pipefail

dir=$1
[[ ! -x $dir/pasta || ! -x $dir/slirp4netns ]] || exit 0
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
chmod 755 "$work"
mkdir -p "$dir"
cd "$work"
download() {
    apt-get -qq -o APT::Sandbox::User=root download passt slirp4netns
}
# The lists of packages may be older than the mirror, or not there yet.
download || { apt-get -qq update && download; }
for package in "$work"/*.deb; do
    dpkg-deb --extract "$package" "$work/files"
done
cp -P "$work"/files/usr/bin/{pasta,passt,slirp4netns}* "$dir"
