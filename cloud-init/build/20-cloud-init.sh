#!/bin/sh
# cloud-init reads one source, the seed disk, and runs what topologies may ask of it.
set -eu
root=$1
mkdir -p "$root/etc/cloud/cloud.cfg.d"
echo 'policy: enabled' >"$root/etc/cloud/ds-identify.cfg"
cat >"$root/etc/cloud/cloud.cfg.d/99-lab.cfg" <<'CONF'
datasource_list: [NoCloud, None]
datasource:
  NoCloud:
    fs_label: cidata
manage_etc_hosts: false
preserve_hostname: false
disable_root: true
users: []
cloud_init_modules: [seed_random, bootcmd, write-files, resizefs, disk_setup, mounts, set_hostname, ca-certs, users-groups, ssh]
cloud_config_modules: [timezone, ntp, runcmd]
cloud_final_modules: [package-update-upgrade-install, scripts-user, phone-home, final-message]
CONF
rm -f "$root"/etc/netplan/*.yaml
