# shellcheck shell=sh
name="lesson-$(date +%s%N)"
kubectl create namespace "$name" >/dev/null
trap 'kubectl delete namespace "$name" --wait=false >/dev/null 2>&1' EXIT
for _ in $(seq 40); do
  if kubectl -n "$name" get serviceaccount default >/dev/null 2>&1; then exit 0; fi
  sleep 0.5
done
echo "nobody made the service account of $name"
exit 1
