# shellcheck shell=sh
kubectl -n default run "lesson-$(date +%s%N)" --image=lab.local/none --restart=Never --dry-run=server >/dev/null
