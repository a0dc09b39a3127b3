#!/bin/sh
# Installs the Debian packages that some purposes need, where they are missing: packages.sh PURPOSE …
# With --missing first it only prints the names of those that are.
# With neither root nor sudo it says what to run, and stops.
set -eu

only_say=no
if [ "${1:-}" = --missing ]; then only_say=yes; shift; fi

packages=""
for purpose in "$@"; do
  case "$purpose" in
    build) packages="$packages g++ python3-dev python3-venv" ;;
    box)
      packages="$packages python3-venv alsa-utils"
      packages="$packages network-manager dnsmasq-base wpasupplicant iw wireless-regdb avahi-daemon" ;;
    pi)
      packages="$packages libasound2-dev"
      # lgpio has no wheel above Python 3.12 and is built with it.
      ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 13))' 2>/dev/null || packages="$packages swig"
      ;;
    test) packages="$packages libasound2-dev libasound2-plugins jackd2 chromium zbar-tools poppler-utils" ;;
    arm) packages="$packages cmake g++-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user" ;;
    system) packages="$packages e2fsprogs gcc kmod libasound2-dev make mmdebstrap qemu-system-x86 qemu-utils tar" ;;
    system-arm64) packages="$packages binfmt-support g++-aarch64-linux-gnu libc6-dev-arm64-cross"
                  packages="$packages qemu-system-arm qemu-user-static" ;;
    estimate) packages="$packages g++ llvm-19" ;;
    *) echo "packages.sh: there is no purpose $purpose; there are build, box, pi, test, system, system-arm64, arm, estimate" >&2; exit 2 ;;
  esac
done

if ! command -v dpkg-query >/dev/null; then
  echo "This is not a Debian system. Install what Debian calls:$packages" >&2
  exit 0
fi

missing=""
for package in $packages; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
[ -z "$missing" ] && exit 0
if [ "$only_say" = yes ]; then echo "$missing"; exit 0; fi

if [ "$(id -u)" = 0 ]; then
  as_root=""
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
  as_root="sudo"
else
  echo "These packages are missing. Install them, then run the same command again:" >&2
  echo "  sudo apt-get update && sudo apt-get install -y --no-install-recommends$missing" >&2
  exit 1
fi

echo "Installing:$missing"
$as_root apt-get -qq update
# shellcheck disable=SC2086 # a list of names, to be split
$as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $missing >/dev/null
