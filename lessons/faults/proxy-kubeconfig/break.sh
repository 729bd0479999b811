# shellcheck shell=sh
change /var/lib/kube-proxy/config.conf -e 's#kubeconfig: .*#kubeconfig: /var/lib/kube-proxy/config.kubeconfig#'
systemctl restart kube-proxy
