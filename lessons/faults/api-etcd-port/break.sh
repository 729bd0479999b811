# shellcheck shell=sh
change /etc/systemd/system/kube-apiserver.service -e '/--etcd-servers=/s#:[0-9]*\([, ]\)#:2397\1#g'
systemctl daemon-reload
systemctl --no-block restart kube-apiserver
