#!/usr/bin/env bash
# Build the Kubernetes 1.20.2 binaries from Debian's own source package.
#
#   build-kubernetes.sh OUT_DIR
#
# Puts static, stripped amd64 builds of the commands below into OUT_DIR. Needs
# root and a Debian 12 mirror. Works in OUT_DIR/.build: removed after a success,
# kept after a failure so that the next call finds what was already compiled.
set -euo pipefail

VERSION=v1.20.2
BINARIES=(kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl kubeadm)
PACKAGES=(dpkg-dev golang-1.19-go golang-github-modern-go-reflect2-dev)

say() { printf '[kubernetes %4ds] %s\n' "$SECONDS" "$*"; }
die() { say "error: $*" >&2; exit 1; }

[[ $# -eq 1 && -n $1 ]] || die "usage: ${0##*/} OUT_DIR"
mkdir -p -- "$1"
out=$(cd -- "$1" && pwd)
# One builder per OUT_DIR: a second one waits, then finds the work done.
exec 9<"$out"
flock 9
present=0
for name in "${BINARIES[@]}"; do [[ ! -x $out/$name ]] || present=$((present + 1)); done
[[ $present -lt ${#BINARIES[@]} ]] || { say "$VERSION is already in $out"; exit 0; }
[[ $(id -u) -eq 0 ]] || die "must be root, to install packages"

scratch=$out/.build                 # same file system as OUT_DIR: mv is atomic
apt=$scratch/apt bin=$scratch/bin gopath=$scratch/gopath
src=$gopath/src/k8s.io/kubernetes
rm -rf -- "$apt" "$gopath" "$bin" "$scratch/tmp"                # not the go cache
mkdir -p "$apt"/{sources.d,lists/partial,cache/archives/partial} \
    "$gopath/src/k8s.io" "$bin" "$scratch"/{tmp,gocache}
export TMPDIR=$scratch/tmp DEBIAN_FRONTEND=noninteractive

# The host's apt sources usually name binary packages only. Use a private copy
# with the source packages switched on, and private index files, so that the
# host's apt configuration and lists stay as they are.
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.{list,sources}; do
    [[ -f $file ]] || continue
    sed -E -e 's/^Types:.*/Types: deb deb-src/I' \
        -e 's/^deb(-src)?([[:space:]].*)/deb\2\ndeb-src\2/' "$file" >"$apt/sources.d/${file##*/}"
done
apt_get() {
    # fd 9 closed: a daemon started by a package must not inherit the lock.
    apt-get -qq -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$apt/sources.d" \
        -o Dir::State::lists="$apt/lists" -o Dir::Cache="$apt/cache" \
        -o APT::Sandbox::User=root -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 \
        -o Dpkg::Use-Pty=0 "$@" 9>&-
}
say "reading the package lists"
# A third-party mirror may be down or have no sources; what matters is checked next.
apt_get update || say "some package lists could not be read; going on"
say "installing ${PACKAGES[*]}"
apt_get install -y --no-install-recommends --no-upgrade "${PACKAGES[@]}" >"$scratch/install.log" 2>&1 \
    || { cat "$scratch/install.log" >&2; die "apt-get install failed"; }
say "fetching, unpacking and patching the source package"
(cd "$gopath" && apt_get source kubernetes) >"$scratch/source.log" 2>&1 \
    || { cat "$scratch/source.log" >&2; die "apt-get source failed"; }
mv "$gopath"/kubernetes-*/ "$src"
cd "$src"

# The vendored reflect2 reaches into the runtime's map iterator, whose layout
# changed in Go 1.18: the API server would die with "fatal error: fault".
rm -rf vendor/github.com/modern-go/reflect2
cp -rL /usr/share/gocode/src/github.com/modern-go/reflect2 vendor/github.com/modern-go/

# The caller's Go settings must not leak in. GOGC: memory is not scarce here,
# and the compiler spends a good part of its time on garbage collection.
unset GOROOT GOBIN GOEXPERIMENT
export GOPATH=$gopath GOCACHE=$scratch/gocache GOTMPDIR=$scratch/tmp GOENV=off GOFLAGS='' \
    GO111MODULE=off CGO_ENABLED=0 GOOS=linux GOARCH=amd64 GOGC=400 \
    PATH=/usr/lib/go-1.19/bin:$PATH

# The only generated file that the source package lacks. `make` would produce it
# too, but first spends minutes on finding out that all others are up to date.
# Inputs as in build/root/Makefile.generated_files.
say "generating the OpenAPI definitions"
nice -n 5 go build -o "$scratch/openapi-gen" ./vendor/k8s.io/kube-openapi/cmd/openapi-gen
inputs=$(grep -rlF --include='*.go' '+k8s:openapi-gen=' cmd pkg plugin staging/src \
    | xargs grep -l '^// *+k8s:' | xargs -n1 dirname | sort -u \
    | sed -e 's|^staging/src/|vendor/|' -e '\#^vendor/k8s.io/\(code-generator\|sample-apiserver\)/#d' \
        -e 's|^|k8s.io/kubernetes/|' | paste -sd,)
nice -n 5 "$scratch/openapi-gen" --logtostderr -i "$inputs" \
    -p k8s.io/kubernetes/pkg/generated/openapi -O zz_generated.openapi \
    -h vendor/k8s.io/code-generator/hack/boilerplate.go.txt -r "$scratch/violations"
# The list of known rule violations tells whether the same set of types was seen.
cmp "$scratch/violations" api/api-rules/violation_exceptions.list || die "OpenAPI definitions differ"

# Commit, tree state and version are recorded in the source tree itself; the
# build date is that of the Debian package, so that builds are reproducible.
ldflags=$(
    export SOURCE_DATE_EPOCH KUBE_ROOT=$src KUBE_GO_PACKAGE=k8s.io/kubernetes
    SOURCE_DATE_EPOCH=$(dpkg-parsechangelog -STimestamp)
    # shellcheck source=/dev/null
    . hack/lib/version.sh
    kube::version::ldflags
)
[[ $ldflags == *"gitVersion=$VERSION'"* ]] || die "not the source of $VERSION: $ldflags"

say "compiling ${#BINARIES[@]} commands with $(go version)"
# -v names each package as it is compiled: count those, pass anything else on.
nice -n 5 go build -v -p "$(nproc)" -trimpath -ldflags "-s -w -buildid= $ldflags" \
    -o "$bin/" "${BINARIES[@]/#/./cmd/}" 2>&1 | {
    count=0
    while IFS= read -r line; do
        [[ $line != *[[:space:]]* ]] || { printf '%s\n' "$line" >&2; continue; }
        count=$((count + 1))
        ((count % 200)) || say "$count packages compiled"
    done
    say "$count packages compiled in all"
}

for name in "${BINARIES[@]}"; do
    flags=(--version)
    [[ $name != kubectl ]] || flags=(version --client --short)
    [[ $name != kubeadm ]] || flags=(version --output=short)
    reported=$("$bin/$name" "${flags[@]}") || die "$name does not run"
    [[ $reported == *"$VERSION" ]] || die "$name reports '$reported', not $VERSION"
done
(cd "$bin" && mv -f -- "${BINARIES[@]}" "$out/")
cd / && rm -rf -- "$scratch"
say "done: $VERSION is in $out"
