#!/bin/sh
# What a machine is like, for somebody who looks for traces: packages, units, links, routes, rules, mounts, settings,
# and files outside of what changes by itself.
echo '== packages'; dpkg-query -W -f='${db:Status-Abbrev} ${Package}\n'
echo '== unit files'; systemctl list-unit-files --no-legend | awk '{print $1, $2}' | sort
echo '== units'
systemctl list-units --all --no-legend --plain --type=service,mount,socket | awk '$3 == "active" || $3 == "failed" {print $1, $3}' |
  grep -v '^session-\|^user\|^run-\|^var-lib-containerd\|^systemd-networkd-wait-online\|^apt-\|^dpkg-\|^man-db' | sort
echo '== links'; ip -o link show | cut -d: -f2 | cut -d@ -f1
echo '== routes'; ip route show
echo '== rules'; nft list ruleset
echo '== mounts'; awk '{print $2}' /proc/mounts | grep -v '^/run/user/\|^/run/credentials' | sort
echo '== settings'
sysctl net.ipv4.ip_forward net.ipv4.conf.all.rp_filter vm.overcommit_memory kernel.panic fs.inotify.max_user_watches
echo '== files'
find /etc /opt /usr/local /usr/bin /usr/sbin /var/lib /var/log /root -xdev \
  ! -path '/var/lib/systemd/*' ! -path '/var/log/journal*' ! -path '/var/lib/apt/*' ! -path '/var/lib/dpkg/*' \
  ! -path '/var/log/apt*' ! -path '/var/log/dpkg.log' ! -path '/var/log/alternatives.log' ! -path '/var/lib/private*' \
  ! -path '/etc/ld.so.cache' ! -path '/etc/.pwd.lock' ! -path '/var/lib/containerd/*' \
  \( -type d -printf '%p %m %u\n' -o -type l -printf '%p -> %l\n' -o -printf '%p %m %u %s\n' \) | sort
