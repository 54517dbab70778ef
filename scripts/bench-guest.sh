#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In a guest: load the modules that $MODULES names and run np_bench. A kind whose
# module does not load is reported as absent by np_bench.

for module in $MODULES; do
	modprobe "$module" || echo "modprobe $module failed"
done
printf "BENCH\tkernel\t%s\n" "$(uname -r)"
exec ./np_bench "$@"
