#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# build.sh debug|kcsan|uml|clang SOURCE OUT: configure and build one test kernel; of
# the last one only what modules need to be compiled against it.
# build.sh --fragments KERNEL: the files of its configuration
#
# Everything that decides what comes out is in this directory; this file and a kernel's
# fragments are part of the key under which scripts/build-kernel.sh caches the result,
# so an edit here makes a new kernel.

set -eu

here=$(cd "$(dirname "$0")" && pwd)
only_fragments=no
if [ "$1" = --fragments ]; then
	only_fragments=yes
	shift
fi
variant=$1 cc=gcc

case $variant in
debug)
	arch=x86_64 targets="bzImage modules"
	fragments="base.config debug.config kasan.config"
	;;
kcsan)
	arch=x86_64 targets="bzImage modules"
	fragments="base.config kcsan.config"
	;;
clang)
	arch=x86_64 targets=modules_prepare cc=clang
	fragments=base.config
	;;
uml)
	arch=um targets="linux modules"
	fragments="uml.config"
	;;
*)
	echo "build.sh: no such kernel: $variant" >&2
	exit 2
	;;
esac
if [ $only_fragments = yes ]; then
	echo "$fragments"
	exit 0
fi
source=$2 out=$3

kmake() {
	make -C "$source" O="$out" ARCH="$arch" CC="$cc" \
		KBUILD_BUILD_USER=newproto KBUILD_BUILD_HOST=newproto "$@"
}

mkdir -p "$out"
kmake tinyconfig
for f in $fragments; do
	cat "$here/$f" >>"$out/.config"
done
kmake olddefconfig

# Kconfig drops what it cannot grant without a word; a debug kernel without its
# checks would pass everything.
refused=0
for f in $fragments; do
	while read -r line; do
		case $line in
		CONFIG_*) ;;
		*) continue ;;
		esac
		if ! grep -qxF -e "$line" "$out/.config"; then
			echo "refused by Kconfig: $line ($f)" >&2
			refused=1
		fi
	done <"$here/$f"
done
[ $refused = 0 ] || exit 1

# shellcheck disable=SC2086 # one word for each target
kmake -j"$(nproc)" $targets
