#!/bin/sh
# Fills the boot folder of an image's tree: boot-files.sh settings|kernel TREE debian|raspberrypi. Called by build.sh.
# The packages' own scripts want a boot partition that is mounted, and do nothing in a chroot; here a folder is enough.
set -eu
what=$1 tree=$2 packages=$3
boot=$tree/boot/firmware

settings() {
  case "$packages" in
    debian)
      kernel="kernel=vmlinuz
initramfs initrd.img followkernel"
      chmod -x "$tree/etc/kernel/postinst.d/z50-raspi-firmware" "$tree/etc/initramfs/post-update.d/z50-raspi-firmware"
      install -m 755 "$(dirname "$0")/debian-boot" "$tree/etc/initramfs/post-update.d/pedal-boot"
      ;;
    raspberrypi) kernel="auto_initramfs=1" ;;
  esac
  printf '# Settings of the firmware: https://www.raspberrypi.com/documentation/computers/config_txt.html\narm_64bit=1\n%s\n' \
    "$kernel" >"$boot/config.txt"
  echo "console=tty1 root=LABEL=pedal-root rootfstype=ext4 fsck.repair=yes rootwait quiet" >"$boot/cmdline.txt"
}

# /proc and /dev of the tree are mounted.
kernel() {
  cp -a "$tree"/usr/lib/raspi-firmware/. "$boot/"
  for modules in "$tree"/lib/modules/*; do
    version=${modules##*/}
    rm -f "$tree/boot/initrd.img-$version"
    chroot "$tree" update-initramfs -c -k "$version"
    case "$packages:$version" in
      debian:*) vmlinuz=vmlinuz initrd=initrd.img ;;
      *2712*) vmlinuz=kernel_2712.img initrd=initramfs_2712 ;;
      *) vmlinuz=kernel8.img initrd=initramfs8 ;;
    esac
    cp "$tree/boot/vmlinuz-$version" "$boot/$vmlinuz"
    cp "$tree/boot/initrd.img-$version" "$boot/$initrd"
    cp "$tree/usr/lib/linux-image-$version"/broadcom/bcm27*.dtb "$boot/"
    if [ -d "$tree/usr/lib/linux-image-$version/overlays" ]; then
      cp -a "$tree/usr/lib/linux-image-$version/overlays" "$boot/"
    fi
  done
}

"$what"
