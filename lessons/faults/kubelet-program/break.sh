# shellcheck shell=sh
change /etc/systemd/system/kubelet.service -e 's#^ExecStart=/usr/local/bin/kubelet#ExecStart=/usr/local/bin/kubelet-v1#'
systemctl daemon-reload
systemctl --no-block restart kubelet
