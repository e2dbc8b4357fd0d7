#!/usr/bin/env bash
# Installs what the lock file says, then hands over to scripts/ci.ts under the Node that the install brought.
# It replaces node_modules: do not run it in a folder where somebody works.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
started=$(date +%s)
if ! npm ci --prefer-offline --no-audit --no-fund; then
  echo "npm ci failed"
  echo "0 passed, 1 failed"
  exit 1
fi
export PATH="$PWD/node_modules/.bin:$PATH"
export NERVE_INSTALL_SECONDS=$(($(date +%s) - started))
exec node scripts/ci.ts "$1"
