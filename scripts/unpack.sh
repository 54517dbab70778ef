# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# unpack.sh: Debian's packages for a guest, unpacked and not installed: to install a server would
# start it on this machine. Needs lib.sh.
#
#	unpack_packages WHY DIR PACKAGE...	unless they are there already, have these packages,
#						and those that they need and this machine lacks,
#						in DIR/unpacked
#	copy_programs DIR TO PROGRAM...		these of DIR/unpacked, wherever they are in it
#	stage_programs DIR PROGRAM...		the programs in DIR/stage/bin and their libraries in
#						DIR/stage/lib, anew only if the packages are
#	copy_libraries DIR TO FILE...		the libraries of DIR/unpacked that these programs
#						and libraries need
#
# shellcheck disable=SC2154 # cache comes from lib.sh

# apt with lists and archives of its own, so that it needs no root and changes nothing.
own_apt() {
	local dir=$1
	shift

	mkdir -p "$dir/apt/lists/partial" "$dir/apt/archives/partial"
	apt-get -q -o Dir::State::Lists="$dir/apt/lists" -o Dir::Cache="$dir/apt" \
		-o APT::Sandbox::User="$(id -un)" "$@"
}

# The packages named are fetched also where they are installed, so that all of them are of one
# version; of what they need only what is missing.
fetch_packages() {
	local dir=$1 wanted deb
	shift

	own_apt "$dir" update || return
	wanted=$(own_apt "$dir" -s install --no-install-recommends "$@") || return
	wanted=$(sed -n 's/^Inst \([^ ]*\) .*/\1/p' <<<"$wanted")
	# shellcheck disable=SC2086 # a list of names
	wanted=$(printf '%s\n' "$@" $wanted | sort -u)
	rm -rf "$dir/unpacked" "$dir/unpacking"
	mkdir -p "$dir/unpacking"
	# shellcheck disable=SC2086 # a list of names
	(cd "$dir/apt" && own_apt "$dir" download $wanted) || return
	for deb in "$dir"/apt/*.deb; do
		dpkg-deb -x "$deb" "$dir/unpacking" || return
	done
	printf '%s\n' "$@" >"$dir/unpacking/packages"
	mv "$dir/unpacking" "$dir/unpacked"
	rm -rf "$dir/apt"
}

unpack_packages() {
	local why=$1 dir=$2
	shift 2

	! printf '%s\n' "$@" | cmp -s - "$dir/unpacked/packages" || return 0
	if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
		die "Debian's packages $* needed ($why), and this is no Debian"
	fi
	say "missing: $*, needed for: $why; they are unpacked into the cache, not installed"
	run_quiet "fetching Debian packages" "$dir/apt.log" fetch_packages "$dir" "$@" ||
		die "cannot fetch $*; is there a network?"
}

copy_programs() {
	local unpacked=$1/unpacked to=$2 p dir
	shift 2

	mkdir -p "$to"
	for p in "$@"; do
		for dir in usr/bin usr/sbin bin sbin; do
			[ ! -e "$unpacked/$dir/$p" ] || cp -L "$unpacked/$dir/$p" "$to/"
		done
		[ -e "$to/$p" ] || die "$p is in none of $(paste -s -d ' ' "$unpacked/packages")"
	done
}

# Those of this machine's own libraries that they need vm.sh finds.
copy_libraries() {
	local unpacked=$1/unpacked to=$2 path
	shift 2

	mkdir -p "$to"
	path=$unpacked/usr/lib/x86_64-linux-gnu:$unpacked/lib/x86_64-linux-gnu
	LD_LIBRARY_PATH=$path ldd "$@" 2>/dev/null | grep -oE "$unpacked/[^ ]+\\.so[^ ]*" |
		sort -u | xargs -r cp -L -t "$to"
}

stage_programs() {
	local dir=$1
	shift

	! cmp -s "$dir/unpacked/packages" "$dir/stage/packages" || return 0
	rm -rf "$dir/stage"
	copy_programs "$dir" "$dir/stage/bin" "$@"
	copy_libraries "$dir" "$dir/stage/lib" "$dir/stage/bin"/*
	cp "$dir/unpacked/packages" "$dir/stage/packages"
}
