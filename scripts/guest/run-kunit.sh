#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In a guest: load the KUnit modules named; they write their results into the kernel's
# log. insmod succeeds whatever the tests say, so the host reads the log.
#
#	run-kunit.sh MODULE...

for module; do
	echo "@@test $module" >/dev/kmsg
	modprobe "$module" || echo "not ok - modprobe $module" >/dev/kmsg
	modprobe -r "$module" || echo "not ok - modprobe -r $module" >/dev/kmsg
	echo "@@end $module 0 0" >/dev/kmsg
done
if [ -w /sys/kernel/debug/kmemleak ]; then
	echo scan >/sys/kernel/debug/kmemleak
	sleep 5
	echo scan >/sys/kernel/debug/kmemleak
	echo "@@test kmemleak" >/dev/kmsg
	if [ -s /sys/kernel/debug/kmemleak ]; then
		sed 's/^/# /' /sys/kernel/debug/kmemleak | while read -r line; do
			echo "$line" >/dev/kmsg
		done
		echo "not ok - no_leaks" >/dev/kmsg
	else
		echo "ok - no_leaks" >/dev/kmsg
	fi
	echo "@@end kmemleak 0 0" >/dev/kmsg
fi
echo "@@complete" >/dev/kmsg
