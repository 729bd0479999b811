# shellcheck shell=sh
systemctl disable --quiet --now kube-scheduler
