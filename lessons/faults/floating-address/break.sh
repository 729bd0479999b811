# shellcheck shell=sh
systemctl disable --quiet --now keepalived
