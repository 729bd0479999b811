# Succeeds where it holds. kubectl is the administrator's.
kubectl get --raw=/readyz
