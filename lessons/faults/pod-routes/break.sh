# shellcheck shell=sh
change /etc/systemd/system/lab-pod-network.service -e '/^ExecStart=.*ip route replace/d'
systemctl daemon-reload
systemctl restart lab-pod-network
