#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# static.sh [CHECK...]: the checks that need no guest. Each is one test: it passes, or
# what it found is shown. Without arguments, all of them but "clang", which is run by
# "make check-long" only:

. "$(dirname "$0")/lib.sh"
. "$top/scripts/kernels.sh"
. "$top/scripts/results.sh"

all_checks=(w1 sparse checkpatch kerneldoc shellcheck coccicheck layout clang)

# spatch runs Python scripts with a library that its package only expects to be there.
need "checking the source" sparse coccinelle libpython3.11 shellcheck perl git
source=$("$top/scripts/kernel-source.sh") || exit 1
work=$(mktemp -d "${TMPDIR:-/tmp}/newproto-static.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$top" || exit 1

# A build that has nothing to do would have nothing to say either, so these start afresh,
# in a directory of their own.
build_dir() {
	echo "$cache/check/static-$1"
}

fresh_build() {
	rm -rf "$(build_dir "$1")"
	"$top/scripts/build-module.sh" "$1" "$(build_dir "$1")" W=1
}

# The compiler's and sparse's remarks are lines FILE:LINE:..., of files in our tree.
no_remarks() {
	local dir

	dir=$(build_dir "$1")
	! grep -E "(warning|error):|^WARNING|^ERROR" "$2" | grep -E "$dir|^(WARNING|ERROR): modpost"
}

w1() {
	local kernel

	for kernel in stock debug; do
		fresh_build $kernel >"$work/w1" 2>&1 || {
			cat "$work/w1"
			return 1
		}
		no_remarks $kernel "$work/w1" || return 1
	done
}

# Another compiler has other warnings. Its kernel is configured only, so the symbols of a
# real one are not there to be looked up.
clang() {
	"$top/scripts/build-kernel.sh" clang >/dev/null || return 1
	rm -rf "$(build_dir clang)"
	"$top/scripts/build-module.sh" clang "$(build_dir clang)" CC=clang W=1 \
		KBUILD_MODPOST_WARN=1 >"$work/clang" 2>&1 || {
		cat "$work/clang"
		return 1
	}
	! grep -E '(warning|error):' "$work/clang" || return 1
	make -C "$top/tools" O="$(build_dir clang)/tools" CC=clang CFLAGS='-O2 -Wextra -Werror' \
		demo >"$work/clang" 2>&1 || {
		cat "$work/clang"
		return 1
	}
}

# C=2 looks at every file, also at those that need no new object.
sparse() {
	[ -e "$(build_dir stock)/newproto.ko" ] || fresh_build stock >"$work/sparse" 2>&1
	"$top/scripts/build-module.sh" stock "$(build_dir stock)" W=1 C=2 >"$work/sparse" 2>&1 || {
		cat "$work/sparse"
		return 1
	}
	grep -q 'CHECK ' "$work/sparse" || {
		echo "sparse looked at no file"
		return 1
	}
	no_remarks stock "$work/sparse"
}

c_files() {
	find "$@" -name output -prune -o -name '*.[ch]' ! -name '*.mod.c' -print
}

# checkpatch CLASS <FILES: what holds for a class of files only is in checkpatch-ignore,
# what holds for all in .checkpatch.conf. GIT_DIR: checkpatch would ask the kernel tree's
# git about licences, and the unpacked tree has none.
checkpatch_class() {
	local types

	types=$(sed -n "s/^$1 \\([A-Z_]*\\).*/\\1/p" scripts/checkpatch-ignore | paste -s -d ,)
	GIT_DIR=/nonexistent xargs -r perl "$source/scripts/checkpatch.pl" --root="$source" \
		${types:+--ignore "$types"} --file
}

checkpatch() {
	local bad=0

	c_files net include drivers | grep -v -e '/trace\.h$' -e '/pure_user\.h$' |
		checkpatch_class kernel || bad=1
	c_files net include | grep '/trace\.h$' | checkpatch_class trace || bad=1
	# One header of the driver stands in for the kernel's, in programs.
	{ c_files tools selftests && c_files drivers | grep '/pure_user\.h$'; } |
		checkpatch_class user || bad=1
	return $bad
}

kerneldoc() {
	find net include drivers -name '*.[ch]' ! -name '*.mod.c' -exec \
		perl "$source/scripts/kernel-doc" -none -Werror {} +
}

shell_files() {
	find scripts selftests tools .ci -name output -prune -o -type f -print |
		while read -r f; do
			case $(head -c 64 "$f" | head -n 1 | tr -d '\0') in
			'#!'*sh) echo "$f" ;;
			'# SPDX'*) [ "${f%.sh}" = "$f" ] || echo "$f" ;;
			esac
		done
}

shellcheck_all() {
	local files

	mapfile -t files < <(shell_files)
	shellcheck -x -P SCRIPTDIR "${files[@]}"
}

# One semantic patch of the kernel after the other, on copies: spatch follows no links.
# A mistake is planted beside them, and has to be found.
coccicheck() {
	local kdir dir=$work/cocci patch

	kdir=$(kernel_build_dir debug) || return 1
	mkdir -p "$dir"
	cp -r net include drivers "$dir/"
	cat >"$dir/planted.c" <<-'END'
		void planted(void *p)
		{
			if (p)
				kfree(p);
		}
	END
	cd "$kdir" || return 1
	find "$source/scripts/coccinelle" -name '*.cocci' | sort | while read -r patch; do
		# These want a compiler for OCaml. One knows a single driver only, and what the
		# other looks for, pointers compared with 0, sparse finds.
		case ${patch##*/} in
		check_bq27xxx_data.cocci | badzero.cocci) continue ;;
		esac
		env srctree="$source" MODE=report KBUILD_EXTMOD="$dir" COCCI="$patch" J=1 \
			LINUXINCLUDE="-I$source/include -I./include -I$dir/include" \
			SPFLAGS='--timeout 120' DEBUG_FILE="$work/cocci.err" \
			"$source/scripts/coccicheck" >>"$work/cocci.out" 2>&1 || {
			echo "$patch:"
			cat "$work/cocci.err"
			exit 1
		}
		rm -f "$work/cocci.err"
	done || return 1
	cd "$top" || return 1

	grep -E '^[^ ]+\.[ch]:[0-9]+' "$work/cocci.out" | sed "s,^$dir/,," >"$work/cocci.found"
	grep -q 'planted.c:' "$work/cocci.found" || {
		echo "coccicheck did not find the mistake that was planted"
		return 1
	}
	! grep -v 'planted.c:' "$work/cocci.found"
}

# Shape: an SPDX line in each file, none that is too long to be read, and no path that
# exists on one person's machine only. And the tables of the differential test agree with
# the documentation.
layout() {
	local bad=0 f

	while read -r f; do
		case $f in
		COPYING | *.png | *.svg) continue ;;
		esac
		[ -f "$f" ] || continue
		if ! head -n 5 "$f" | grep -q 'SPDX-License-Identifier'; then
			case $f in
			*.md | */settings | .checkpatch.conf | *.gitignore | *.tsv) ;;
			*) echo "$f: no SPDX line" && bad=1 ;;
			esac
		fi
		if [ "$(wc -l <"$f")" -gt 1000 ]; then
			echo "$f: more than 1000 lines"
			bad=1
		fi
		grep -HnE '(^|[^A-Za-z0-9_.$}/])/(home|root|work)/' "$f" && bad=1
	done < <(git ls-files --cached --others --exclude-standard 2>/dev/null ||
		find . -type f ! -path './.git/*' -printf '%P\n')
	selftests/diff/check.sh || bad=1
	return $bad
}

run_check() {
	local function=$1

	[ "$1" != shellcheck ] || function=shellcheck_all
	say "static: $1"
	if $function >"$work/$1.out" 2>&1; then
		echo "pass static $1"
	else
		echo "--- static: $1" >&2
		cat "$work/$1.out" >&2
		echo "fail static $1"
	fi
}

[ $# -gt 0 ] || set -- "${all_checks[@]/clang/}"
for check; do
	[ -n "$check" ] || continue
	case " ${all_checks[*]} " in
	*" $check "*) run_check "$check" ;;
	*) die "no such check: $check; there are: ${all_checks[*]}" ;;
	esac
done >"$work/results"
[ -z "${NEWPROTO_RESULTS:-}" ] || cp "$work/results" "$NEWPROTO_RESULTS"
show_results <"$work/results"
