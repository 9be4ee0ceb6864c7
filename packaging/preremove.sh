#!/bin/sh
# dpkg: remove | upgrade; rpm: 0 (last) | 1 (upgrade).
set -e
case "${1:-}" in
remove | 0)
    if [ -z "${DPKG_ROOT:-}" ] && [ -d /run/systemd/system ]; then
        systemctl disable --now vedette-agent.service || true
    fi
    ;;
esac
