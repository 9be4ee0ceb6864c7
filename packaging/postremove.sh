#!/bin/sh
# dpkg: remove, then perhaps purge; upgrade keeps everything. rpm: 0 (last) | 1 (upgrade).
set -e
data="${DPKG_ROOT:-}/var/lib/vedette-agent"
case "${1:-}" in
remove)
    # What was not sent goes with the program; identity and settings are left for a later installation.
    rm -rf "$data"/buffer.sqlite* "$data/undelivered" "$data/reserve" "$data/status.json" "$data/versions" \
        "$data/tasks.json"
    ;;
purge | 0)
    rm -rf "$data"
    ;;
esac
if [ -z "${DPKG_ROOT:-}" ] && [ -d /run/systemd/system ]; then
    systemctl daemon-reload || true
fi
