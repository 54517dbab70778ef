# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# lib.sh: what the scripts of this directory share. Source it from bash.
#
#	say TEXT...			a line of progress, with the time since the start
#	die TEXT...			a line on stderr and exit 1
#	run_quiet WHAT LOG CMD...	CMD into LOG, with a sign of life every few seconds
#	need WHY PACKAGE...		have these Debian packages installed
#	newest_headers [FLAVOUR]	the kernel build directory that make uses by default
#	out_dir NAME			a directory for output that the tree does not keep

set -u

# shellcheck disable=SC2034 # for those who source this
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${NEWPROTO_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/newproto}

# Scripts call each other; all of them count from the start of the first.
: "${NEWPROTO_T0:=$(date +%s)}"
export NEWPROTO_T0 NEWPROTO_CACHE="$cache"

# Messages of tools are compared and parsed.
export LC_ALL=C

say() {
	printf '[%4ds] %s\n' $(($(date +%s) - NEWPROTO_T0)) "$*" >&2
}

die() {
	say "FAILED: $*"
	exit 1
}

# The process substitution ends its pipe together with the command, so that read waits
# for the command and for the next sign of life at once.
run_quiet() {
	local what=$1 log=$2 fd rc='' start=$SECONDS
	shift 2

	mkdir -p "$(dirname "$log")"
	say "$what"
	exec {fd}< <(
		trap 'echo $?' EXIT
		"$@" >"$log" 2>&1 </dev/null
	)
	while read -r -t "${NEWPROTO_HEARTBEAT:-15}" rc <&"$fd"; [ $? -gt 128 ]; do
		say "$what: $((SECONDS - start)) s, $(wc -l <"$log") lines of log"
	done
	exec {fd}<&-
	[ "$rc" = 0 ] && return 0

	say "$what: failed (exit status ${rc:-unknown}); the end of $log:"
	tail -n "${NEWPROTO_TAIL:-30}" "$log" >&2
	return 1
}

have_package() {
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

need() {
	local why=$1 p sudo='' missing=()
	shift

	for p in "$@"; do
		have_package "$p" || missing+=("$p")
	done
	[ ${#missing[@]} -eq 0 ] && return 0

	command -v apt-get >/dev/null ||
		die "${missing[*]} needed ($why), and this is no Debian: install them by hand"
	if [ "$(id -u)" != 0 ]; then
		sudo=sudo
		command -v sudo >/dev/null || die "${missing[*]} needed ($why);" \
			"run as root: apt-get install ${missing[*]}"
		# Ask for the password before the output goes to a log.
		sudo -v || die "cannot become root to install ${missing[*]} ($why)"
	fi
	# Another apt may be at work: apt waits for its lock, with a bound.
	local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -y -o DPkg::Lock::Timeout=300)
	local log=$cache/log/apt.log install=(install --no-install-recommends "${missing[@]}")

	say "missing: ${missing[*]}, needed for: $why"
	# A machine that has never fetched package lists knows none of them.
	if ! apt-cache show "${missing[@]}" >/dev/null 2>&1; then
		run_quiet "apt-get update" "$log" $sudo "${apt[@]}" update ||
			die "cannot fetch package lists; is there a network?"
	fi
	NEWPROTO_TAIL=3 run_quiet "apt-get install ${missing[*]}" "$log" \
		$sudo "${apt[@]}" "${install[@]}" && return 0
	# Old lists name versions that the mirror no longer has.
	if ! run_quiet "apt-get update" "$log" $sudo "${apt[@]}" update ||
		! run_quiet "apt-get install ${missing[*]}" "$log" $sudo "${apt[@]}" "${install[@]}"; then
		die "cannot install ${missing[*]} ($why)"
	fi
}

newest_headers() {
	local d
	d=$(find /lib/modules/ -mindepth 2 -maxdepth 2 -name build 2>/dev/null |
		grep -- "${1:-}" | sort -V | while read -r d; do
		[ -e "$d/Makefile" ] && echo "$d"
	done | tail -n 1)
	[ -n "$d" ] && echo "$d"
}

out_dir() {
	mkdir -p "$cache/$1" && echo "$cache/$1"
}
