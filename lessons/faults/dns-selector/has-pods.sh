# shellcheck shell=sh
kubectl -n kube-system get endpoints kube-dns -o 'jsonpath={.subsets[*].addresses[*].ip}' | grep -q .
