#!/bin/sh
# Builds a card image with the pedal on it: build.sh [options] OUT.img (--help names them; README.md says more).
# Runs on Debian, as root, without mounting or loop devices; arm64 programs run under QEMU's user-mode emulation.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
checkout=$(cd "$here/../.." && pwd)

suite=bookworm packages=debian wheels="" hat=none card=demo readonly_root=no root_mb=2560 keep="" out=""
usage() {
  cat <<TEXT
build.sh [options] OUT.img
  --suite NAME       bookworm or trixie (default $suite)
  --packages WHOSE   debian: Debian's kernel and firmware, USB sound cards only
                     raspberrypi: Raspberry Pi's, with the drivers of audio HATs (default $packages)
  --wheels DIR       arm64 wheels of the pedal and what it needs; without, it is compiled under emulation (an hour)
  --hat NAME         as install.sh has it (default $hat)
  --card NAME        likewise, where no HAT is named: a USB card's name as ALSA has it (default $card)
  --read-only        the root is read-only from the second start on
  --root-mb N        size of the root partition (default $root_mb)
  --tree DIR         keep Debian's tree in DIR, and use the one that is there
TEXT
}
die() { echo "build.sh: $*" >&2; exit 2; }
while [ $# -gt 0 ]; do
  case "$1" in
    --suite) suite=$2; shift ;;
    --packages) packages=$2; shift ;;
    --wheels) wheels=$(cd "$2" && pwd); shift ;;
    --hat) hat=$2; shift ;;
    --card) card=$2; shift ;;
    --read-only) readonly_root=yes ;;
    --root-mb) root_mb=$2; shift ;;
    --tree) keep=$2; shift ;;
    -h | --help) usage; exit 0 ;;
    -*) usage >&2; die "there is no option $1" ;;
    *) out=$1 ;;
  esac
  shift
done
[ -n "$out" ] || { usage >&2; die "name the image to make"; }
case "$suite" in bookworm | trixie) ;; *) die "--suite is bookworm or trixie, not $suite" ;; esac
case "$packages" in debian | raspberrypi) ;; *) die "--packages is debian or raspberrypi, not $packages" ;; esac
[ "$(id -u)" = 0 ] || die "this makes files of other users: run it with sudo"
PATH=$PATH:/usr/sbin:/sbin
missing=""
for tool in mmdebstrap:mmdebstrap mke2fs:e2fsprogs mkfs.vfat:dosfstools mcopy:mtools sfdisk:fdisk git:git; do
  command -v "${tool%%:*}" >/dev/null || missing="$missing ${tool#*:}"
done
[ -z "$missing" ] || die "programs are missing: apt-get install$missing"
[ "$(uname -m)" = aarch64 ] || [ -e /proc/sys/fs/binfmt_misc/qemu-aarch64 ] ||
  die "this machine can't run arm64 programs: apt-get install qemu-user-static binfmt-support"

work=$(mktemp -d "${TMPDIR:-/tmp}/pedal-image.XXXXXX")
tree=$work/root
mounted=""
clean() {
  for place in $mounted; do umount "$place" || true; done
  rm -rf "$work"
}
trap clean EXIT INT TERM
say() { echo "== $*"; }

# ---- the tree ----

base=systemd-sysv,udev,dbus,kmod,initramfs-tools,busybox,zstd,e2fsprogs,dosfstools,fdisk,network-manager,wpasupplicant
base=$base,dnsmasq-base,avahi-daemon,libnss-mdns,systemd-timesyncd,openssh-server,sudo,iproute2,iw,rfkill,ca-certificates
base=$base,nano,python3,python3-venv,alsa-utils,polkitd,wireless-regdb,firmware-brcm80211,raspi-firmware
case "$suite" in bookworm) base=$base,libasound2 ;; *) base=$base,libasound2t64 ;; esac
case "$packages" in
  debian) kernel=linux-image-arm64 components="main non-free-firmware" more="" ;;
  raspberrypi)
    kernel=linux-image-rpi-v8,linux-image-rpi-2712,raspberrypi-sys-mods components="main contrib non-free non-free-firmware"
    keyring=/usr/share/keyrings/raspberrypi-archive-keyring.gpg
    [ -e "$keyring" ] || die "$keyring is missing: install Raspberry Pi's package raspberrypi-archive-keyring"
    more="deb [signed-by=$keyring] http://archive.raspberrypi.com/debian $suite main"
    ;;
esac
[ -n "$wheels" ] || base=$base,g++,python3-dev,libasound2-dev

if [ -n "$keep" ] && [ -d "$keep/etc" ]; then
  say "Debian $suite from $keep"
else
  say "Debian $suite for arm64, with packages of $packages"
  set -- "deb http://deb.debian.org/debian $suite $components" "deb http://deb.debian.org/debian $suite-updates $components" \
    "deb http://deb.debian.org/debian-security $suite-security $components"
  [ -z "$more" ] || set -- "$@" "$more"
  # INITRD=No: one initramfs at the end, with the pedal's part in it, is slow enough under emulation.
  INITRD=No mmdebstrap --quiet --architectures=arm64 --variant=minbase --mode=root --include="$kernel,$base" \
    --aptopt='APT::Install-Recommends "false"' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    "$suite" "${keep:-$tree}" "$@"
fi
[ -z "$keep" ] || cp -a "$keep" "$tree"
boot=$tree/boot/firmware
mkdir -p "$boot"
sh "$here/boot-files.sh" settings "$tree" "$packages"  # first, so that the installer finds what it adds its lines to

# ---- the pedal, by its own installer ----

say "the pedal"
source=$tree/usr/src/pedal
mkdir -p "$source" "$tree/tmp/wheels"
git -C "$checkout" archive HEAD | tar -x -C "$source"
for fs in proc dev; do  # not /sys: what asks there for processors is not ready for emulation
  mount --bind "/$fs" "$tree/$fs"
  mounted="$tree/$fs $mounted"
done
rm -f "$tree/etc/resolv.conf"
cp -L /etc/resolv.conf "$tree/etc/resolv.conf"
set -- --yes --hat "$hat"
[ "$hat" != none ] || set -- "$@" --card "$card"
if [ -n "$wheels" ]; then
  cp "$wheels"/*.whl "$tree/tmp/wheels/"
  set -- "$@" --wheels /tmp/wheels
fi
chroot "$tree" sh /usr/src/pedal/system/install.sh "$@"
rm -rf "$source" "$tree/tmp/wheels"
ln -sf /run/NetworkManager/resolv.conf "$tree/etc/resolv.conf"

# ---- what is the image's own ----

say "settings of the image"
cp -r "$here/root/." "$tree/"  # not -a: /etc does not belong to who made the checkout
chown -R root:root "$tree/etc/systemd/system/appliance-first-boot.service" "$tree/usr/lib/appliance" "$tree/etc/initramfs-tools"
chmod 755 "$tree/usr/lib/appliance/first-boot" "$tree/etc/initramfs-tools/hooks/pedal-image"
echo pedal >"$tree/etc/hostname"
printf '127.0.0.1\tlocalhost\n127.0.1.1\tpedal\n::1\tlocalhost ip6-localhost\n' >"$tree/etc/hosts"
cat >"$tree/etc/fstab" <<TEXT
LABEL=pedal-root  /               ext4  noatime,errors=remount-ro  0  1
LABEL=PEDAL-BOOT  /boot/firmware  vfat  noatime                    0  2
TEXT
: >"$tree/etc/machine-id"  # made at the first start
rm -f "$tree"/etc/ssh/ssh_host_* "$tree/var/lib/dbus/machine-id" "$tree/var/lib/systemd/random-seed"
[ "$readonly_root" = no ] || : >"$tree/etc/appliance-read-only.later"  # the first start makes keys, and then turns it on
chroot "$tree" useradd --create-home --shell /bin/bash --groups sudo,audio,appliance pedal
echo 'pedal ALL=(ALL) NOPASSWD: ALL' >"$tree/etc/sudoers.d/pedal"  # it has no password: only keys open it
chmod 440 "$tree/etc/sudoers.d/pedal"
chroot "$tree" systemctl --quiet enable appliance-first-boot.service
chroot "$tree" systemctl --quiet add-wants local-fs.target appliance-data.service

say "kernel, firmware and initramfs"
sh "$here/boot-files.sh" kernel "$tree" "$packages"
for place in $mounted; do umount "$place"; done
mounted=""
chroot "$tree" apt-get clean
rm -rf "$tree"/var/lib/apt/lists/* "$tree"/tmp/* "$tree"/var/log/*.log

# ---- the card ----

say "the card"
boot_mb=256 data_mb=128  # the data partition grows to the end of the card at the first start
mkfs.vfat -C -F 32 -n PEDAL-BOOT "$work/boot.img" $((boot_mb * 1024)) >/dev/null
mcopy -i "$work/boot.img" -s -m "$boot"/* ::
rm -rf "${boot:?}"/*
mke2fs -q -t ext4 -L pedal-root -d "$tree" "$work/root.img" "${root_mb}M"
mkdir "$work/empty"
mke2fs -q -t ext4 -b 4096 -J size=16 -L appliance-data -m 1 -d "$work/empty" "$work/data.img" "${data_mb}M"

rm -f "$out"
truncate -s $((1 + boot_mb + root_mb + data_mb))M "$out"
sfdisk --quiet "$out" <<TEXT
label: dos
start=1MiB, size=${boot_mb}MiB, type=c, bootable
size=${root_mb}MiB, type=83
size=${data_mb}MiB, type=83
TEXT
at=1
for part in boot:$boot_mb root:$root_mb data:$data_mb; do
  dd if="$work/${part%%:*}.img" of="$out" bs=1M seek=$at conv=notrunc,sparse status=none
  at=$((at + ${part#*:}))
done
say "$out: $(du -h --apparent-size "$out" | cut -f1) ($(du -h "$out" | cut -f1) written)"
