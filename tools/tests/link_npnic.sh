#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Tests of link_npnic.so, the plug-in of iproute2's ip, for the directory that it was built in:
#
#   tools/tests/NAME DIR
#
# TAP. scripted_rtnetlink.so takes the kernel's place, so no link is made, and no rights are needed.

[ -e "$1/link_npnic.so" ] || { echo "usage: $0 DIR (where tools/ was built)" >&2; exit 2; }
IP_LIB_DIR=$(cd "$1" && pwd)
PATH=$PATH:/usr/sbin:/sbin
export IP_LIB_DIR PATH
scripted=$IP_LIB_DIR/tests/scripted_rtnetlink.so
unset LD_PRELOAD SCRIPT_LINK

echo "TAP version 13"
case $(ip -V 2>/dev/null) in
*iproute2*) ;;
*)
	echo "1..0 # SKIP no iproute2"
	exit 0
	;;
esac

dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
# shellcheck source=SCRIPTDIR/tap.sh
. "${0%/*}/tap.sh"

scripted_ip()
{
	LD_PRELOAD=$scripted ip "$@"
}

# Is "ip link add np0 type npnic ARGUMENTS" refused?
refused() # CODE PATTERN ARGUMENT...
{
	code=$1 pattern=$2
	shift 2
	expect "refused: $*" "$code" "$pattern" scripted_ip link add np0 type npnic "$@"
}

# Is REQUEST, a pattern, what becomes of "ip link ARGUMENTS"?
requested() # REQUEST ARGUMENT...
{
	request=$1
	shift
	expect "$*" 0 "^$request\$" scripted_ip link "$@"
}

help()
{
	expect "ip link help npnic" 0 '^Usage: ip link add NAME type npnic ' ip link help npnic
	expect "its second line" 0 ' peer name NAME ' ip link help npnic
	refused 1 '^Usage: ip link add NAME type npnic ' help
	refused 1 '^Usage: ip link add NAME type npnic ' queues 4 help
}

bad_arguments()
{
	refused 1 'unknown command "speed"' speed 10
	refused 1 'unknown command "queue"' queue 4
	for word in queues ring region; do
		refused 255 'not complete' $word
		refused 255 "\"$word\" is a" $word ''
		refused 255 "\"$word\" is a" $word many
		refused 255 "\"$word\" is a" $word -1
		refused 255 "\"$word\" is a" $word 0x10
		refused 255 "\"$word\" is a" $word 4,5
		refused 255 "\"$word\" is a" $word 99999999999999999999
		refused 255 "duplicate \"$word\"" $word 1 $word 1
	done
	refused 255 '"queues" is a whole number' queues 1K
	refused 255 '"queues" is a whole number' queues 4294967296
	for size in K 1T 1KB 1Kx 'K 1' 1.5M; do
		refused 255 '"ring" is a size' ring "$size"
	done
	refused 255 '"ring" is a size' ring 4G
	refused 255 '"ring" is a size' ring 4294967296
	refused 255 '"region" is a size' region 17179869184G
	refused 255 '"region" is a size' region 18446744073709551616
	refused 255 'duplicate "type"' peer name np1 type npnic
	refused 255 'garbage' peer name np1 queues 4
	refused 255 'not a valid ifname' peer name a/b
	expect "changes are refused" 1 'then stays' \
		env SCRIPT_LINK=pair LD_PRELOAD="$scripted" ip link set np0 type npnic queues 2
	expect "so is another peer" 1 'then stays' \
		env SCRIPT_LINK=pair LD_PRELOAD="$scripted" ip link set np0 type npnic peer np1
}

requests()
{
	none='0 0/0'

	requested "new $none name=np0 kind=npnic" add np0 type npnic
	requested "new $none name=np0 kind=npnic peer\{$none name=np1 \}" \
		add np0 type npnic peer name np1
	requested "new $none name=np0 kind=npnic peer\{$none name=np1 \}" \
		add np0 type npnic peer np1
	requested "new $none name=np0 kind=npnic peer\{$none \}" add np0 type npnic peer
	requested "new $none name=np0 kind=npnic queues=u32:4 ring=u32:262144 region=u64:16777216" \
		add np0 type npnic queues 4 ring 256k region 16M
	requested "new $none name=np0 kind=npnic region=u64:8589934592 ring=u32:131072" \
		add name np0 type npnic region 8G ring 131072
	requested "new $none name=np0 kind=npnic queues=u32:4294967295 ring=u32:4294966272" \
		add np0 type npnic queues 4294967295 ring 4194303K
	requested "new $none name=np0 kind=npnic region=u64:18446744072635809792" \
		add np0 type npnic region 17179869183G
	requested "new $none name=np0 kind=npnic region=u64:0" add np0 type npnic region 0
	own='5 0x1/0x1 mtu=u32:9000 numtxqueues=u32:2 name=np0'
	peer='7 0/0x1 netns_pid=u32:1 mtu=u32:4000 address=6 bytes name=np1'
	requested "new $own kind=npnic queues=u32:2 peer\{$peer \}" \
		add np0 index 5 up mtu 9000 numtxqueues 2 type npnic queues 2 \
		peer name np1 index 7 down netns 1 mtu 4000 address 02:00:00:00:00:01
}

shows() # SCRIPT TEXT JSON
{
	expect "$1, as text" 0 "^ *npnic $2\$" \
		env SCRIPT_LINK="$1" LD_PRELOAD="$scripted" ip -d link show dev np0
	expect "$1, as JSON" 0 "\"linkinfo\":\{\"info_kind\":\"npnic\",\"info_data\":\{$3\}\}" \
		env SCRIPT_LINK="$1" LD_PRELOAD="$scripted" ip -d -j link show dev np0
}

shown()
{
	fabric=00112233445566778899aabbccddeeff

	json='"queues":4,"ring":262144,"region"'
	rest="\"fabric\":\"$fabric\",\"slot\":1,\"slots\":16"
	shows pair "queues 4 ring 256K region 4194308K bus pair fabric $fabric slot 1 slots 16 " \
		"$json:4294971392,\"bus\":\"pair\",$rest"
	shows pci "queues 4 ring 256K region 8G bus pci fabric $fabric slot 1 slots 16 " \
		"$json:8589934592,\"bus\":\"pci\",$rest"
	shows little "queues 4 slots 2 " '"queues":4,"slots":2'
	shows broken "slots 2 " '"slots":2'
	shows none "" ""
	SCRIPT_LINK=pair scripted_ip link show dev np0 >"$dir/plain"
	expect "without -d the link" 0 ' np0: ' cat "$dir/plain"
	expect "and no more" 1 '^0$' grep -c npnic "$dir/plain"
}

help
bad_arguments
requests
shown
finish
