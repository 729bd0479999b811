# shellcheck shell=sh
answers kubectl get --raw=/readyz
kubectl -n kube-system patch service kube-dns -p '{"spec":{"selector":{"k8s-app":"core-dns"}}}' >/dev/null
