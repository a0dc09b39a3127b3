#!/bin/sh
# Fills the boot folder of an image's tree: boot-files.sh TREE debian|raspberrypi. Called by build.sh, /proc and /dev mounted.
# The packages' own scripts want the boot partition mounted and skip what they are for in a chroot; a folder is enough here.
set -eu
tree=$1
boot=$tree/boot/firmware

chroot "$tree" update-initramfs -u -k all
case "$2" in
  debian)
    version=$(ls "$tree/lib/modules" | sort -V | tail -1)
    cp -a "$tree"/usr/lib/raspi-firmware/. "$boot/"
    cp "$tree"/usr/lib/linux-image-"$version"/broadcom/bcm27*.dtb "$boot/"
    cp "$tree/boot/vmlinuz-$version" "$boot/vmlinuz"
    cp "$tree/boot/initrd.img-$version" "$boot/initrd.img"
    kernel="kernel=vmlinuz
initramfs initrd.img followkernel"
    ;;
  raspberrypi)
    cp -a "$tree"/usr/lib/raspi-firmware/. "$boot/"
    for version in $(ls "$tree/lib/modules"); do
      case "$version" in *2712*) name=_2712 ;; *) name=8 ;; esac
      cp "$tree/boot/vmlinuz-$version" "$boot/kernel$name.img"
      cp "$tree/boot/initrd.img-$version" "$boot/initramfs$name"
      cp "$tree"/usr/lib/linux-image-"$version"/broadcom/*.dtb "$boot/"
      mkdir -p "$boot/overlays"
      cp "$tree"/usr/lib/linux-image-"$version"/overlays/* "$boot/overlays/"
    done
    kernel="auto_initramfs=1"
    ;;
esac
# What the installer wrote into its marked block stays, below.
touch "$boot/config.txt"
{
  printf '# Settings of the firmware: https://www.raspberrypi.com/documentation/computers/config_txt.html\n'
  printf 'arm_64bit=1\nenable_uart=0\ndtparam=i2c_arm=on\n%s\n' "$kernel"
  cat "$boot/config.txt"
} >"$boot/config.new"
mv "$boot/config.new" "$boot/config.txt"
[ -e "$boot/cmdline.txt" ] || echo "console=tty1 root=LABEL=pedal-root rootfstype=ext4 fsck.repair=yes rootwait quiet" >"$boot/cmdline.txt"
