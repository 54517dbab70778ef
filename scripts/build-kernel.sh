#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# build-kernel.sh [--path] debug|kcsan|uml|clang
#
# Builds a test kernel from Debian's linux-source-6.1 and keeps it in the cache, with
# the build tree that modules need. Prints its directory, in which
#
#	build/		is the KDIR to build modules against
#	image		is what boots (a bzImage for QEMU, or a user-mode Linux program)
#	modroot/	has lib/modules/VERSION, as modprobe -d wants it
#
# (of "clang", which is for compiling only, the first)
#
# --path only says where it is, and fails if it was not built yet. What a kernel is made
# of (package version, compiler, scripts/kernel/) decides its name in the cache: a change
# of any of them builds a new one beside the old one.

. "$(dirname "$0")/lib.sh"
set -e

only_path=no
if [ "${1:-}" = --path ]; then
	only_path=yes
	shift
fi
variant=${1:-}
case $variant in
debug | kcsan | uml | clang) ;;
*) die "usage: build-kernel.sh [--path] debug|kcsan|uml|clang" ;;
esac

if [ $only_path = no ]; then
	need "building the $variant kernel" linux-source-6.1 build-essential bc bison flex \
		cpio kmod libelf-dev libssl-dev lz4 rsync xz-utils
	[ "$variant" != clang ] || need "compiling with clang" clang
fi

package=$(dpkg-query -W -f '${Version}' linux-source-6.1 2>/dev/null) ||
	die "linux-source-6.1 is not installed"
read -ra fragments < <("$top/scripts/kernel/build.sh" --fragments "$variant")
key=$({
	echo "$variant $package"
	gcc --version | head -n 1
	[ "$variant" != clang ] || clang --version | head -n 1
	cd "$top/scripts/kernel"
	# Comments make no kernel.
	sed -E '/^# CONFIG_/b; /^[[:space:]]*(#|$)/d' build.sh "${fragments[@]}"
} | sha256sum | cut -c 1-12)
dir=$cache/kernel/$variant-${package//[^0-9A-Za-z.]/_}-$key

if [ $only_path = yes ]; then
	[ -e "$dir/done" ] && echo "$dir"
	exit
fi

# Modules are built with the headers of the source tree; checkpatch.pl and coccinelle's
# semantic patches come from it, too.
source=$("$top/scripts/kernel-source.sh") || exit 1
if [ -e "$dir/done" ]; then
	echo "$dir"
	exit 0
fi

# Two builds of the same kernel would destroy each other; the second waits for the first.
mkdir -p "$dir" "$cache/log"
exec {lock}>"$dir/lock"
flock -n "$lock" || {
	say "somebody else is building this kernel; waiting for them"
	flock -w 3600 "$lock" || die "$dir is still locked after an hour"
}
if [ -e "$dir/done" ]; then
	echo "$dir"
	exit 0
fi

# The objects of the kernel itself are of no use once it is linked.
trim() {
	find "$1/build" \( -name '*.o' -o -name '*.a' -o -name '.*.cmd' -o -name '*.order' \
		-o -name '*.mod' -o -name '*.mod.c' -o -name '.tmp_*' \) \
		! -path '*/scripts/*' ! -path '*/objtool/*' -delete
	rm -f "$1/build/vmlinux.unstripped"
}

build() {
	nice -n 5 "$top/scripts/kernel/build.sh" "$variant" "$source" "$dir/build"
}

say "the $variant kernel is not in the cache; a build takes 6 to 15 minutes on two cores"
rm -rf "$dir/build" "$dir/modroot"
run_quiet "building the $variant kernel" "$dir/build.log" build || exit 1

case $variant in
clang)
	touch "$dir/done"
	echo "$dir"
	exit 0
	;;
debug | kcsan)
	cp "$dir/build/arch/x86/boot/bzImage" "$dir/image"
	arch=x86_64
	;;
uml)
	cp "$dir/build/linux" "$dir/image"
	arch=um
	;;
esac
run_quiet "installing its modules" "$dir/install.log" \
	make -C "$dir/build" ARCH="$arch" INSTALL_MOD_PATH="$dir/modroot" modules_install || exit 1
trim "$dir"
touch "$dir/done"
say "the $variant kernel is ready: $(du -sh "$dir" | cut -f 1) in $dir"
echo "$dir"
