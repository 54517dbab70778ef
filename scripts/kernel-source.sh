#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# kernel-source.sh: unpack Debian's linux-source-6.1 into the cache and print where it is.
# The test kernels are built from it, and checkpatch.pl and coccicheck come from it.

. "$(dirname "$0")/lib.sh"
set -e

need "the kernel's source (test kernels, checkpatch, coccicheck)" linux-source-6.1 xz-utils
version=$(dpkg-query -W -f '${Version}' linux-source-6.1)
dir=$cache/source/linux-${version//[^0-9A-Za-z.]/_}

mkdir -p "$cache/source"
exec {lock}>"$dir.lock"
flock -w 600 "$lock" || die "$dir is still locked after ten minutes"

# The headers of AMD's graphics cards are a fifth of the tree, and nothing here reads them.
unpack() {
	rm -rf "$dir.part" && mkdir "$dir.part" &&
		nice tar -xf /usr/src/linux-source-6.1.tar.xz -C "$dir.part" --strip-components=1 \
			--exclude 'linux-source-6.1/drivers/gpu/drm/amd/include' &&
		mv "$dir.part" "$dir"
}

if [ ! -d "$dir" ]; then
	run_quiet "unpacking linux-source-6.1" "$dir.log" unpack || exit 1
fi
echo "$dir"
