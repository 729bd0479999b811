# shellcheck shell=sh
change /etc/kubernetes/controller-manager.conf -e 's#\(server: .*\):[0-9]*#\1:6553#'
systemctl --no-block restart kube-controller-manager
