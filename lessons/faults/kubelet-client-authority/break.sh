# shellcheck shell=sh
change /var/lib/kubelet/config.yaml -e 's#clientCAFile: .*#clientCAFile: /etc/kubernetes/pki/client-ca.crt#'
systemctl restart kubelet
