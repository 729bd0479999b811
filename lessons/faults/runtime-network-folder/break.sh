# shellcheck shell=sh
change /etc/containerd/config.toml -e 's#conf_dir = .*#conf_dir = "/etc/cni/conf.d"#'
systemctl restart containerd
