#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In a guest whose kernel has gcov: run test programs and the KUnit tests with a module
# that counts which of its lines are reached, and print the counts after "@@gcov": a
# compressed archive in base64.
#
#	run-coverage.sh LIMIT PROGRAM...
#
# OVER_NIC has the programs that are run once more, over a pair of npnic devices.

counts=/sys/kernel/debug/gcov

sh /test/run-tests.sh newproto "$@"
status=$?
if [ -n "${OVER_NIC:-}" ]; then
	# shellcheck disable=SC2086 # one word for each program
	NEWPROTO_TEST_PROTO=nic sh /test/run-tests.sh newproto "$1" $OVER_NIC || status=$?
fi
if ! modprobe newproto_kunit || ! modprobe -r newproto_kunit newproto; then
	status=1
fi

# They are files without a size, which tar would take for empty. What a module has
# counted stays when it goes.
cd $counts || exit 1
find . -name '*.gcda' | while read -r f; do
	mkdir -p "/tmp/gcov/${f%/*}"
	cat "$f" >"/tmp/gcov/$f"
done
echo "@@gcov"
tar -C /tmp/gcov -c -z -f - . | base64
echo "@@gcov-end"
exit $status
