#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# check.sh: do the files of the differential test agree with what they are about? The
# reasons in differences.tsv are those that newproto-differences.rst explains, and
# option_list.h has every option that the headers of 6.1 name.

cd "$(dirname "$0")" || exit 1
doc=../../Documentation/networking/newproto-differences.rst
include=${INCLUDE:-/usr/include}
bad=0
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# say TEXT <NAMES: each is a fault.
say() {
	while read -r name; do
		echo "$1: $name"
		bad=1
	done
}

awk -F '\t' '!/^#/ && NF { sub(/\?$/, "", $6); print $6 }' differences.tsv | sort -u >"$work/used"
# shellcheck disable=SC2016 # the quotation marks of reStructuredText
sed -n 's/^   \* - ``\([a-z-]*\)``$/\1/p' "$doc" | sort >"$work/told"
[ -s "$work/used" ] || echo nothing >>"$work/used"
comm -23 "$work/used" "$work/told" >"$work/untold"
comm -13 "$work/used" "$work/told" >"$work/unused"
uniq -d "$work/told" >"$work/twice"
say "a reason in differences.tsv that $doc does not explain" <"$work/untold"
say "a reason in $doc that is not in differences.tsv" <"$work/unused"
say "a reason explained twice in $doc" <"$work/twice"

# Names that are no options: values, flags and other names of options.
none='IP_PMTUDISC_.*|IP_DEFAULT_.*|IP_RECVRETOPTS|IP_RECVORIGDSTADDR|MCAST_(EX|IN)CLUDE'
none="$none|IPV6_(FL_|FLOWINFO_FLOW|FLOWINFO_PRI|PRIORITY_|TLV_|PMTUDISC_|PREFER_SRC_).*"
none="$none|IPV6_RECVORIGDSTADDR|TCP_REPAIR_O.*|TCP_MSS_.*|TCP_CM_INQ|TCP_MD5SIG_[FM].*"
none="$none|TCP_RECEIVE_.*|(UDP|TCP)_ENCAP_.*|SO_.*_OLD|SO_GET_FILTER|SO_DETACH_BPF"

# Newer headers name options that 6.1 does not have.
headers_are_of_6_1() {
	version=$(sed -n 's/^#define LINUX_VERSION_CODE //p' "$include/linux/version.h")
	[ "${version:-0}" -ge $((6 * 65536 + 256)) ] && [ "$version" -lt $((6 * 65536 + 512)) ]
}

options_of() {
	sed -n 's/^#[[:space:]]*define[[:space:]]*\([A-Z0-9_]*\)[[:space:]]\{1,\}[^[:space:]].*/\1/p' \
		"$include/$1"
}

if headers_are_of_6_1; then
	sed -n 's/^OPTION([A-Z0-9_]*, \([A-Z0-9_]*\),.*/\1/p' option_list.h | sort -u >"$work/listed"
	for header in asm-generic/socket.h linux/in.h linux/in6.h linux/tcp.h linux/udp.h; do
		options_of $header
	done | grep -E '^(SO|IP|MCAST|IPV6|TCP|UDP)_' | grep -vxE "$none" | sort -u >"$work/named"
	[ -s "$work/named" ] || echo "all of $include" >>"$work/named"
	comm -23 "$work/named" "$work/listed" >"$work/unlisted"
	say "an option that option_list.h does not have" <"$work/unlisted"
fi
exit $bad
