# shellcheck shell=sh
kubectl uncordon "$(kubectl get nodes -o 'jsonpath={.items[0].metadata.name}')" >/dev/null
