# shellcheck shell=sh
answers kubectl get --raw=/readyz
kubectl cordon "$(kubectl get nodes -o 'jsonpath={.items[0].metadata.name}')" >/dev/null
