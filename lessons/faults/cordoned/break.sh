# shellcheck shell=sh
kubectl cordon "$(kubectl get nodes -o 'jsonpath={.items[0].metadata.name}')" >/dev/null
