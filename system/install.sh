#!/bin/sh
# Installs the pedal on this system as services that start with it: sudo ./system/install.sh (--help says more).
# All of the work is done by appliance/box/setup.py, which needs nothing but Python.
set -eu

here=$(cd "$(dirname "$0")" && pwd)

if ! command -v python3 >/dev/null; then
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "Not done: Python 3.11 is missing. On Raspberry Pi OS or Debian: sudo apt-get install python3" >&2
    exit 1
  fi
  apt-get -qq update
  DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends python3 >/dev/null
fi

# In a checkout the package stands beside this folder; in an installed version this folder is inside of it.
for base in "$here/.." "$here/../../.."; do
  if [ -f "$base/appliance/box/setup.py" ]; then
    PYTHONPATH=$base PYTHONDONTWRITEBYTECODE=1 exec python3 -m appliance.box.setup "$@"
  fi
done
echo "Not done: this is only a part of the pedal's files. Take the whole folder." >&2
exit 1
