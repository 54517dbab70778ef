#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# klog.sh FILE: print the complaints in a kernel's log; exit 1 if there are any.
# A lockdep or RCU report is only a message, which does not stop the kernel even with
# panic_on_warn: a run in which every test passed has still failed with one of these.

. "$(dirname "$0")/lib.sh"

[ -r "${1:-}" ] || die "usage: klog.sh FILE"

complaints='BUG:|BUG kmalloc|WARNING:|KASAN|UBSAN|unreferenced object|INFO:|[Pp]ossible'
complaints+='|suspicious|Oops|[Pp]anic|ref_tracker|leaked|ODEBUG|refcount_t:|general protection'
complaints+='|unregister_netdevice: waiting|list_(add|del) corruption|Call Trace'
complaints+='|sysctl table check failed|kmemleak: [0-9]+ new|scheduling while atomic'

# What a kernel says before vm.sh's script starts (guest/init writes the line) is not about
# this module: 6.1 under user-mode Linux has two lockdep reports of its own, of
# lib/maple_tree.c, when the first process forks.
after_boot() {
	if grep -aq '@@vm start' "$1"; then
		sed -n '/@@vm start/,$p' "$1"
	else
		cat "$1"
	fi
}

# Of the data races that KCSAN reports those in which this module has no part are left out:
# it has one if it is in a call chain, and has not merely been interrupted.
own_races() {
	awk '
		function flush() { if (race && own) printf "%s", block; race = own = interrupted = 0; block = "" }
		/====================/ || length(block) > 20000 { flush(); next }
		/BUG: KCSAN:/ { flush(); race = 1 }
		!race { print; next }
		# what another processor says meanwhile, and no report of a race has in it
		/WARNING:|INFO:|BUG: [^K]|Oops|Call Trace|refcount_t|[Pp]anic/ { print; next }
		{ block = block $0 "\n" }
		/ by (task|interrupt) / { interrupted = 0 }
		/ asm_/ { interrupted = 1 }
		/\[newproto\]/ && !interrupted { own = 1 }
		END { flush() }
	'
}

if after_boot "$1" | tr -d '\r' | own_races | grep -aE -e "$complaints" |
	grep -avE -f <(grep -vE '^(#|$)' "$top/scripts/klog-noise"); then
	exit 1
fi
exit 0
