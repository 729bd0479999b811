# shellcheck shell=sh
change /etc/systemd/system/kube-scheduler.service -e 's#--kubeconfig=[^ ]*#--kubeconfig=/etc/kubernetes/scheduler.kubeconfig#'
systemctl daemon-reload
systemctl --no-block restart kube-scheduler
