#!/usr/bin/env bash
# From nothing to a Ready node with a running pod, on any Debian 12 machine: `make demo`.
set -euo pipefail
# Namespaces, mounts and package installation need root.
if [[ $(id -u) -ne 0 ]]; then
    exec sudo --preserve-env=HOME,CARGO_HOME,RUSTUP_HOME,LAB_ARTIFACTS -- env PATH="$PATH" "$0" "$@"
fi
. "$(dirname -- "${BASH_SOURCE[0]}")/prepare.sh" --release

export LAB_PROVIDER=private LAB_FILE=single
"$LAB" up
echo
"$LAB" kubectl get nodes -o wide
# Asked again, the pod is there already.
"$LAB" kubectl get pod hello >/dev/null 2>&1 || "$LAB" kubectl run hello \
    --image=lab.local/busybox:1 --image-pull-policy=Never --restart=Never -- sleep infinity
"$LAB" kubectl wait --for=condition=Ready pod/hello --timeout=300s
echo
"$LAB" kubectl get pods -A -o wide
cat <<NEXT

The lab 'single' runs. What to type next ($LAB):
  lab status --lab single
  lab verify --lab single
  lab kubectl --lab single exec -it hello -- sh
  lab ssh --lab single node
  lab stage show --lab single node control-plane
  lab down --lab single
NEXT
