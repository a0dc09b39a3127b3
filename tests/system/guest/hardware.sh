#!/bin/bash
# What a Pi with a HAT, a GPIO header and an I2C converter would have before the first service starts.
# Stays: the clock of the sound card is a stream that plays silence.
set -eu

# Sound. snd-aloop moves frames 250 times a second, which is too coarse for periods of 64; it follows the clock of
# snd-dummy, whose timer is a high-resolution one, as long as that card plays: no crystal waits for a processor.
modprobe snd-dummy index=1 id=Clock hrtimer=1
until [ -e /dev/snd/pcmC1D0p ]; do sleep 0.02; done
while true; do
  chrt --fifo 90 aplay -q -D hw:Clock,0 -f S16_LE -r 48000 -c 2 --period-size=64 --buffer-size=32768 --avail-min=100000 -t raw /dev/zero
done 2>/dev/null &
until grep -qs RUNNING /proc/asound/Clock/pcm0p/sub0/status; do sleep 0.02; done
modprobe snd-aloop index=0 id=Loopback pcm_substreams=2 timer_source=hw:1,0,0

# The header: 28 lines, pulled up as by the switches' resistors. gpiozero wants to know which Pi it is on.
modprobe gpio-sim
for other in /sys/bus/amba/drivers/pl061_gpio/*.pl061; do  # an emulated ARM machine's own lines: ours shall be the first
  [ -e $other ] && echo ${other##*/} > /sys/bus/amba/drivers/pl061_gpio/unbind
done
pins=/sys/kernel/config/gpio-sim/header/bank0
mkdir -p $pins
echo 28 > $pins/num_lines
echo 1 > $pins/../live
chip=$(cat $pins/chip_name)
for line in /sys/devices/platform/$(cat $pins/../dev_name)/$chip/sim_gpio*; do echo pull-up > $line/pull; done
ln -sfn /sys/devices/platform/$(cat $pins/../dev_name)/$chip /run/appliance-test-pins
{ cat /proc/cpuinfo; echo "Revision : c03112"; echo "Model : Raspberry Pi 4 Model B Rev 1.2"; } > /run/appliance-test-cpuinfo

# The converter of the pots: an ADS1115, as far as its registers go.
modprobe i2c-dev
modprobe i2c-stub chip_addr=0x48

systemd-notify --ready
wait
