#!/bin/sh
# dpkg: configure OLD-VERSION; rpm: 1 (first) or 2 (upgrade). The data directory is never touched here.
set -e
if [ -z "${DPKG_ROOT:-}" ] && [ -d /run/systemd/system ]; then
    systemctl daemon-reload || true
    systemctl enable vedette-agent.service || true
    # Starts only where the host is enrolled (ConditionPathExists).
    systemctl restart vedette-agent.service || true
fi
