# shellcheck shell=sh
# Healthy is a proxy that was told something since it started.
address=$(sed -n 's/^healthzBindAddress: *"*\([0-9.]*:[0-9]*\)"*$/\1/p' /var/lib/kube-proxy/config.conf)
pid=$(systemctl show -p MainPID --value kube-proxy)
curl -fsS --max-time 5 -o /dev/null "http://$address/healthz"
port=$(sed -n 's#.*server: .*:\([0-9]*\)"*$#\1#p' /var/lib/kubelet/kubeconfig)
ss -tnp state established "dport = :$port" | grep -q "pid=$pid,"
