# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# nic-lib.sh: what the tests of npnic in a guest share; they source it. Busybox's sh, with real
# ip, ping, ethtool, iperf3 and socat in /programs, and link_npnic.so where ip looks for it.
#
#	check NAME COMMAND...	a test: the status of COMMAND; what it says is shown if it fails
#	check_rings NAME COMMAND...	the same, skipped where frames are not sent through rings
#	check_long NAME COMMAND...	the same, skipped on a debug kernel if there is little time
#	skip NAME REASON
#	soon SECONDS COMMAND...	COMMAND until it succeeds
#	finish			remove the driver, print the plan, exit

export PATH="/programs/bin:$PATH" LD_LIBRARY_PATH=/programs/lib
work=/tmp/nic
# shellcheck disable=SC2034 # used by those who source this
scale=${NEWPROTO_TEST_SCALE:-1}
number=0
failed=0
# A debug kernel, which has kmemleak, is ten times slower under emulation.
debug=no
[ ! -e /sys/kernel/debug/kmemleak ] || debug=yes

# Busybox's shell would take its own. On a debug kernel it does for what is simple and done
# often: the real one, with its libraries, takes a second to begin there.
ip() {
	case $debug:$* in
	"yes:-n "[a-z]" link set "*" up" | "yes:-n "[a-z]" link set "*" down" | \
		"yes:-n "[a-z]" link set "*" mtu "* | "yes:-n "[a-z]" addr add "*.*)
		within=/var/run/netns/$2
		shift 2
		nsenter "--net=$within" busybox ip "$@"
		;;
	yes:link\ set\ *\ up | yes:link\ set\ *\ down)
		busybox ip "$@"
		;;
	*)
		/programs/bin/ip "$@"
		;;
	esac
}
ping() { /programs/bin/ping "$@"; }

mkdir -p $work
# Where ip keeps the names of network namespaces.
[ -e /var/run ] || ln -s /run /var/run

seconds() {
	cut -d . -f 1 /proc/uptime
}

check() {
	title=$1
	shift
	number=$((number + 1))
	began=$(seconds)
	"$@" >$work/said 2>&1
	verdict=$?
	lasted=$(($(seconds) - began))
	[ $lasted -lt 2 ] || echo "# $lasted s"
	if [ $verdict = 0 ]; then
		echo "ok $number - $title"
	else
		tail -n 40 $work/said | sed 's/^/# /'
		echo "not ok $number - $title"
		failed=1
	fi
}

skip() {
	number=$((number + 1))
	echo "ok $number - $1 # SKIP $2"
}

# Does COMMAND fail?
fails() {
	! "$@"
}

soon() {
	tries=$(($1 * 10))
	shift
	until "$@" >$work/tried 2>&1; do
		tries=$((tries - 1))
		if [ $tries -le 0 ]; then
			cat $work/tried
			echo "not soon: $*"
			return 1
		fi
		usleep 100000
	done
}

# equal WHAT A B
equal() {
	echo "$1: $2, expected $3"
	[ "$2" = "$3" ]
}

# --- namespaces and devices --------------------------------------------------------------------

# As ip netns exec, which takes a second on a debug kernel under emulation: it mounts things.
inside() { # NAMESPACE COMMAND...
	inside=$1 program=$2
	shift 2
	[ ! -x "/programs/bin/$program" ] || program=/programs/bin/$program
	nsenter "--net=/var/run/netns/$inside" "$program" "$@"
}

a() { inside a "$@"; }
b() { inside b "$@"; }

# A namespace, and $work/sys.NAME, which is /sys as seen from it.
namespace() { # NAME
	ip netns add "$1" && mkdir -p "$work/sys.$1" &&
		inside "$1" mount -t sysfs sysfs "$work/sys.$1"
}

namespace_del() { # NAME
	umount "$work/sys.$1"
	ip netns del "$1"
}

# NAMESPACE DEVICE FILE: of /sys/class/net; the file's value
of_device() {
	cat "$work/sys.$1/class/net/$2/$3" 2>/dev/null
}

has_device() { # NAMESPACE DEVICE
	[ -e "$work/sys.$1/class/net/$2" ]
}

has_carrier() { # NAMESPACE DEVICE 0|1
	[ "$(of_device "$1" "$2" carrier)" = "$3" ]
}

# Packets that nobody has asked for would be counted, too.
quiet() { # NAMESPACE
	inside "$1" sh -c '
		echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6
		echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6'
}

# np0 in namespace a and np1 in b, 10.9.0.1 and 10.9.0.2, both up.
address_pair() {
	ip -n a addr add 10.9.0.1/24 dev np0 && ip -n b addr add 10.9.0.2/24 dev np1 &&
		ip -n a link set lo up && ip -n b link set lo up &&
		ip -n a link set np0 up && ip -n b link set np1 up &&
		soon 5 has_carrier a np0 1 && soon 5 has_carrier b np1 1
}

pair() { # ATTRIBUTE...
	ip link add np0 netns a type npnic "$@" peer name np1 netns b && address_pair
}

namespaces() {
	namespace a && namespace b
}

both_mtu() {
	ip -n a link set np0 mtu "$1" && ip -n b link set np1 mtu "$1"
}

# --- traffic -----------------------------------------------------------------------------------

# Some MiB at random, made once.
data() { # MIB
	[ ! -e "$work/data.$1" ] || return 0
	dd if=/dev/urandom of="$work/data.$1" bs=1M count="$1" 2>/dev/null
	md5sum <"$work/data.$1" >"$work/sum.$1"
}

# In the namespace: is somebody listening at the port?
listening() { # NAMESPACE PORT
	inside "$1" cat /proc/net/tcp /proc/net/tcp6 | grep -qi ":$(printf %04X "$2") .* 0A "
}

copy_port=7000

# The data over TCP from one namespace to an address in another, and whether they are the same
# there.
copy() { # FROM TO ADDRESS MIB
	copy_port=$((copy_port + 1))
	data "$4"
	inside "$2" timeout 100 /programs/bin/socat -u "TCP6-LISTEN:$copy_port,ipv6only=0" EXEC:md5sum \
		>$work/copied &
	copier=$!
	soon 10 listening "$2" $copy_port || return
	inside "$1" timeout 90 /programs/bin/socat -u "OPEN:$work/data.$4" \
		"TCP:$3:$copy_port,retry=50,interval=0.2" || return
	wait $copier
	cat $work/copied
	cmp $work/copied "$work/sum.$4"
}

copy_both_ways() { # MIB
	copy a b 10.9.0.2 "$1" && copy b a 10.9.0.1 "$1"
}

iperf_server() { # NAMESPACE
	inside "$1" iperf3 -s -D -I $work/iperf.pid >/dev/null && soon 10 listening "$1" 5201
}

# The port is free when it returns.
iperf_end() {
	[ -e $work/iperf.pid ] || return 0
	server=$(tr -d '\0' <$work/iperf.pid)
	kill "$server" 2>/dev/null
	soon 5 fails kill -0 "$server" || kill -9 "$server"
	rm -f $work/iperf.pid
}

# With a debug kernel two CPUs would do nothing else.
pace="-b 0"
[ $debug = no ] || pace="-b 20M"

# Traffic from a to b in the background until traffic_end. It may be cut, and the client may say so.
traffic() { # [IPERF ARGUMENT...]
	iperf_end
	iperf_server b || return
	# shellcheck disable=SC2086 # two words
	inside a timeout 120 /programs/bin/iperf3 -c 10.9.0.2 -t 100 $pace "$@" >$work/iperf.client 2>&1 &
	client=$!
	soon 5 moves a np0
}

traffic_end() {
	kill "$client" 2>/dev/null
	wait "$client" 2>/dev/null
	iperf_end
}

# Bytes in and out of the device.
traffic_of() { # NAMESPACE DEVICE
	sum=0
	for way in tx rx; do
		way=$(of_device "$1" "$2" statistics/${way}_bytes)
		sum=$((sum + ${way:-0}))
	done
	echo $sum
}

# Are bytes going in or out, some thousands at least?
moves() { # NAMESPACE DEVICE
	before=$(traffic_of "$1" "$2")
	usleep 100000
	[ "$(traffic_of "$1" "$2")" -gt $((before + 10000)) ]
}

pings() { # NAMESPACE PING ARGUMENT...
	from=$1
	shift
	inside "$from" ping -q -i 0.02 -c 5 -W 3 "$@"
}

# The sum of the counters of ethtool whose name ends so.
counter() { # NAMESPACE DEVICE END OF NAME
	inside "$1" ethtool -S "$2" |
		awk -v end="$3:\$" '$1 ~ end { n += $2 } END { printf "%d\n", n }'
}

# --- the end -----------------------------------------------------------------------------------

# Whether frames of pairs go through rings: a parameter of the module, see nic.sh.
begin() {
	echo /sys/class/net/* >$work/devices
	modprobe npnic && rings=$(cat /sys/module/npnic/parameters/pair_rings) && return
	echo "not ok 1 - modprobe npnic"
	exit 1
}

# Pairs made from now on hand frames over.
hand_over() {
	echo N >/sys/module/npnic/parameters/pair_rings && rings=N
}

# As check, but of what takes long and shows a debug kernel little that is new.
check_long() {
	if [ $debug = yes ] && [ "$scale" = 1 ]; then
		skip "$1" "left to the distribution's kernel, and to make check-long"
	else
		check "$@"
	fi
}

# As check, but of what only rings have.
check_rings() {
	if [ "$rings" = Y ]; then
		check "$@"
	else
		skip "$1" "frames are handed over, not by rings"
	fi
}

# No device in this namespace that was not there in the beginning.
no_devices() {
	echo /sys/class/net/* | cmp - $work/devices
}

# Processes and namespaces that a test has left, so that the next one begins anew.
clean() {
	iperf_end
	for ns in $(ip netns list | cut -d ' ' -f 1); do
		ip netns pids "$ns" | xargs -r kill 2>/dev/null
		namespace_del "$ns" 2>/dev/null
	done
	for dev in $(ip -o link show type npnic | sed 's/^[0-9]*: \([^:@]*\).*/\1/'); do
		ip link del "$dev" 2>/dev/null
	done
	true
}

driver_gone() {
	soon 10 rmmod npnic && [ ! -e /sys/module/npnic ]
}

finish() {
	clean
	if [ -e /sys/module/npnic ]; then
		check "npnic is removed" driver_gone
	fi
	rm -rf $work
	echo "1..$number"
	exit $failed
}
