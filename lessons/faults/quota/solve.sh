# shellcheck shell=sh
kubectl -n default delete quota lesson-pods --ignore-not-found >/dev/null
