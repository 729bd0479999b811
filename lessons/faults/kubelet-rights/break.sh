# shellcheck shell=sh
answers kubectl get --raw=/readyz
kubectl delete clusterrolebinding lab:apiserver-to-kubelets >/dev/null
