# shellcheck shell=sh
kubectl delete clusterrolebinding lab:apiserver-to-kubelets >/dev/null
