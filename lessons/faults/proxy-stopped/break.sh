# shellcheck shell=sh
systemctl disable --quiet --now kube-proxy
