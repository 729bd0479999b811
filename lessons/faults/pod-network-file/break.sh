# shellcheck shell=sh
rm /etc/cni/net.d/10-lab.conflist
rm -f /etc/cni/net.d/99-loopback.conf
systemctl restart containerd
