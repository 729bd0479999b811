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
(cd "$work" && apt-get -qq -o APT::Sandbox::User=root download passt slirp4netns)
for package in "$work"/*.deb; do
    dpkg-deb --extract "$package" "$work/root"
done
cp -P "$work"/root/usr/bin/{pasta,passt,slirp4netns}* "$dir"
