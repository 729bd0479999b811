# shellcheck shell=sh
change /var/lib/kubelet/kubeconfig -e 's#\(server: .*\):[0-9]*#\1:6553#'
systemctl restart kubelet
