# shellcheck shell=sh
change /etc/systemd/system/kubelet.service -e 's#containerd/containerd.sock#containerd/containerd-cri.sock#'
systemctl daemon-reload
systemctl --no-block restart kubelet
