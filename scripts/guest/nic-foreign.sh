#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In a guest of nic-vms.sh with several ivshmem devices, none of which has a fabric's memory: npnic
# declines them and says why. That it has not written to them the host sees.
#
#	nic-foreign.sh [blank]: with format_blank=1, and the blank one becomes a fabric

# shellcheck disable=SC2317 # check calls them

. ./nic-lib.sh

# As nic-vms.sh has put them on the bus.
random=10 checksum=11 blank=12 plain=13 version=14

declined() { # DEVICE WORDS
	dmesg | grep "00:$1\\.0"
	[ -e "/sys/bus/pci/devices/0000:00:$1.0" ] &&
		[ ! -e "/sys/bus/pci/devices/0000:00:$1.0/driver" ] &&
		dmesg | grep "npnic 0000:00:$1\\.0" | grep -qiE "$2"
}

no_network_device() {
	for net in /sys/bus/pci/devices/*/net; do
		[ ! -e "$net" ] || return 1
	done
}

one_line() { # DEVICE
	equal lines "$(dmesg | grep -c "npnic 0000:00:$1\\.0")" 1
}

becomes_fabric() {
	dmesg | grep "00:$blank\\.0"
	[ -e "/sys/bus/pci/devices/0000:00:$blank.0/driver" ] &&
		ip -d link show "$(basename "/sys/bus/pci/devices/0000:00:$blank.0/net/"*)" |
		grep 'bus pci'
}

echo "@@test foreign${1:+-$1}"
if [ "${1:-}" = blank ]; then
	modprobe npnic format_blank=1 || echo "not ok - modprobe npnic"
	check "a blank region becomes a fabric with format_blank=1" becomes_fabric
else
	modprobe npnic || echo "not ok - modprobe npnic"
	check "a blank region is declined" declined $blank 'blank|zero|empty'
	check "no device has come up" no_network_device
fi
check "a region of somebody else's is declined" declined $random 'magic|header'
check "a header with a wrong checksum is declined" declined $checksum checksum
check "a version that is not known is declined" declined $version version
check "ivshmem-plain is declined" declined $plain 'plain|msi-x|vector|doorbell'
for device in $random $checksum $version $plain; do
	check "in one line ($device)" one_line "$device"
done
rmmod npnic
echo "@@end foreign${1:+-$1} 0 0"
echo "@@complete"
