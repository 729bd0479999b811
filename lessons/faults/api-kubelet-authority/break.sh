# shellcheck shell=sh
change /etc/systemd/system/kube-apiserver.service -e 's#--kubelet-certificate-authority=[^ ]*#--kubelet-certificate-authority=/etc/kubernetes/pki/front-proxy-ca.crt#'
systemctl daemon-reload
systemctl --no-block restart kube-apiserver
