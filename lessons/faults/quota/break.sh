# shellcheck shell=sh
answers kubectl get --raw=/readyz
kubectl -n default create quota lesson-pods --hard=pods=0 >/dev/null
answers sh -c "kubectl -n default get quota lesson-pods -o yaml | grep -q used:"
