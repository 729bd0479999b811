# shellcheck shell=sh
change /var/lib/kube-proxy/kubeconfig -e 's#\(server: .*\):[0-9]*#\1:6553#'
systemctl restart kube-proxy
