# shellcheck shell=sh
test "$(systemctl is-enabled keepalived)" = enabled
