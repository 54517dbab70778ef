#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# build-module.sh KERNEL [OUT] [MAKE ARGUMENT...]
#
# Builds the modules of this tree against KERNEL (stock, debug, uml, or a directory as
# KDIR is) outside of the tree, because objects for different kernels must not meet.
# OUT (default: in the cache, one for each kernel and tree) is filled with links to the
# sources, so a second run builds what has changed. The log goes to stderr; stdout has
# OUT, where the .ko files are. NEWPROTO_TREE names another tree to build than this one.

. "$(dirname "$0")/lib.sh"
. "$top/scripts/kernels.sh"
set -e

[ $# -ge 1 ] || die "usage: build-module.sh stock|debug|uml|KDIR [OUT] [MAKE ARGUMENT...]"
kdir=$(kernel_build_dir "$1") || die "no kernel to build against: $1"
shift
tree=${NEWPROTO_TREE:-$top}
out=
case ${1:-} in
'') ;;
*=* | -*) ;;
*/*)
	out=$1
	shift
	;;
esac
if [ -z "$out" ]; then
	out=$cache/module/$(echo "$kdir $tree" | sha256sum | cut -c 1-12)
fi
mkdir -p "$out"
out=$(cd "$out" && pwd)

arch=x86_64
! grep -q '^CONFIG_UML=y' "$kdir/.config" 2>/dev/null || arch=um

# Two builds in one directory would destroy each other.
exec {lock}>"$out/.lock"
flock -w 600 "$lock" || die "$out is still locked after ten minutes"

mirror() {
	local f

	find "$out" -xtype l -delete
	(cd "$tree" && find . \( -name '.?*' -o -name selftests -o -name tools -o -name scripts \
		-o -name Documentation \) -prune -o -type f \( -name '*.[ch]' -o -name Kbuild \
		-o -path './?*/Makefile' \) ! -name '*.mod.c' -print) |
		while read -r f; do
			[ "$(readlink "$out/$f")" = "$tree/${f#./}" ] && continue
			mkdir -p "$out/${f%/*}"
			ln -sfn "$tree/${f#./}" "$out/$f"
		done
}

mirror
[ -e "$out/Kbuild" ] || die "$tree has no Kbuild"
nice -n 5 make -C "$kdir" M="$out" ARCH=$arch -j"$(nproc)" "$@" modules >&2 || exit 1
echo "$out"
