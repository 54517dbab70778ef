#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In a guest whose kernel has gcov: run test programs and the KUnit tests with a module
# that counts which of its lines are reached, and print the counts after "@@gcov": a
# compressed archive in base64.
#
#	run-coverage.sh LIMIT PROGRAM...

counts=/sys/kernel/debug/gcov

sh /test/run-tests.sh newproto "$@"
status=$?
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
