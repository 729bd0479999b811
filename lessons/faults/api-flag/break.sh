# shellcheck shell=sh
change /etc/systemd/system/kube-apiserver.service -e 's#--authorization-mode=#--authorisation-mode=#'
systemctl daemon-reload
systemctl --no-block restart kube-apiserver
