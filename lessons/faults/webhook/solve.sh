# shellcheck shell=sh
kubectl delete validatingwebhookconfiguration policy.example.com --ignore-not-found >/dev/null
