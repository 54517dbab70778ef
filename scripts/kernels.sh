# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# kernels.sh: which kernels there are. Needs lib.sh.
#
# shellcheck disable=SC2154 # top comes from lib.sh

# The release of the distribution's kernel to boot: the newest one that has headers to
# build modules against, the small cloud flavour first, as its kernel is made for this.
find_stock_release() {
	local flavour image release

	for flavour in cloud-amd64 amd64; do
		release=$(for image in /boot/vmlinuz-*-"$flavour"; do
			release=${image#/boot/vmlinuz-}
			[ -r "$image" ] && [ -e "/lib/modules/$release/build/Makefile" ] && echo "$release"
		done | sort -V | tail -n 1)
		if [ -n "$release" ]; then
			echo "$release"
			return 0
		fi
	done
	return 1
}

stock_release() {
	find_stock_release && return 0
	need "a stock kernel to boot, and its headers" linux-image-cloud-amd64 \
		linux-headers-cloud-amd64
	find_stock_release
}

# The release of a bzImage: a string that the boot protocol's header points to.
image_release() {
	local offset

	[ "$(dd if="$1" bs=1 skip=514 count=4 2>/dev/null)" = HdrS ] || return 1
	offset=$(od -An -tu2 -j 526 -N 2 "$1" | tr -d ' ')
	dd if="$1" bs=1 skip=$((offset + 512)) count=100 2>/dev/null | tr '\0' '\n' |
		head -n 1 | cut -d ' ' -f 1
}

# The directory to build modules in for a kernel named stock, debug, kcsan, uml, clang or
# by its path.
kernel_build_dir() {
	local dir

	case $1 in
	stock)
		dir=$(stock_release) && echo "/lib/modules/$dir/build"
		;;
	debug | kcsan | uml | clang)
		dir=$("$top/scripts/build-kernel.sh" "$1") && echo "$dir/build"
		;;
	*)
		[ -e "$1/Makefile" ] || return 1
		(cd "$1" && pwd)
		;;
	esac
}
