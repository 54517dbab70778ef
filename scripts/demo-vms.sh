#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The part of demo.sh that runs in each of two guests of vms.sh -N, under busybox's sh: redis in the
# second, redis-benchmark in the first, over TCP on virtio-net and over AF_NEWPROTO on npnic. Who has
# carried it is looked up while it runs.

# shellcheck source=SCRIPTDIR/guest/host.sh
. ./host.sh

HOST_TIMEOUT=240
export PATH="/demo/bin:$PATH" LD_LIBRARY_PATH=/demo/lib
sockets=/proc/net/newproto/sockets
rows=/tmp/rows
port=6379
failed=0

progress() { echo "# $*"; }

fail() {
	progress "FAILED: $*"
	failed=1
}

for module in virtio_pci virtio_net newproto npnic; do
	modprobe $module || fail "modprobe $module"
done
up virtio_net 7 || fail "no virtio-net"
up npnic 8 || fail "no npnic"
npnic=$(device npnic)

# Sockets of TCP, and of the family on the direct path, that are connected or listen.
tcp_sockets() {
	awk -v port=":$(printf %04X $port)\$" '
		($2 ~ port || $3 ~ port) && ($4 == "01" || $4 == "0A") { n++ }
		END { print n + 0 }' /proc/net/tcp
}

family_sockets() {
	grep -c ":$port .* direct\$" $sockets
}

# --- the second machine: the server ------------------------------------------------------------

listening() { # ADDRESS FILE
	grep -Eq " ($1):($port|$(printf %04X $port)) " "$2"
}

redis() { # ADDRESS LAUNCHER...
	address=$1
	shift
	"$@" redis-server --bind "$address" --port $port --save '' --loglevel warning \
		--protected-mode no --dir /tmp >"/tmp/redis.$address" 2>&1 &
}

await() { # ADDRESS FILE
	tries=0
	until listening "$@"; do
		tries=$((tries + 1))
		[ $tries -lt 100 ] || {
			fail "no server"
			return
		}
		usleep 100000
	done
}

if [ "$NP_VM" = 2 ]; then
	redis 10.7.0.2 env
	redis 10.8.0.2 newproto_run --device "$npnic"
	await 0200070A /proc/net/tcp
	await '10\.8\.0\.2' $sockets
	cat /tmp/redis.*
	barrier ready
	barrier "done"
	killall redis-server
	exit $failed
fi

# --- the first machine: the client -------------------------------------------------------------

bench() { # KIND ADDRESS COMMAND LAUNCHER...
	kind=$1 address=$2 command=$3 tcp=0 family=0
	shift 3
	timeout 60 "$@" redis-benchmark -h "$address" -p $port -t "$command" -n 4000 -c 20 \
		--csv >/tmp/client 2>&1 &
	client=$!
	while kill -0 $client 2>/dev/null; do
		now=$(tcp_sockets)
		[ "$now" -le "$tcp" ] || tcp=$now
		now=$(family_sockets)
		[ "$now" -le "$family" ] || family=$now
		usleep 100000
	done
	wait $client || fail "redis-benchmark, $kind: $(tail -n 2 /tmp/client)"
	figure=$(sed -n "s/^\"$command\",\"\([0-9.]*\)\".*/\1/p" /tmp/client)
	progress "  redis $command over $kind: ${figure:-no figure}" \
		"(up to $tcp TCP, $family AF_NEWPROTO sockets)"
	[ -n "$figure" ] || fail "redis $command over $kind"
	case $kind:$((tcp > 0)):$((family > 0)) in
	TCP:1:0 | AF_NEWPROTO:0:1) ;;
	*) fail "redis $command: carried by somebody else than $kind" ;;
	esac
	echo "$command $kind ${figure:-0}" >>$rows
}

barrier ready || fail "the other machine is not ready"
progress "two machines: TCP on virtio-net, AF_NEWPROTO on npnic ($npnic)"
for command in SET GET; do
	bench TCP 10.7.0.2 "$command" env
	bench AF_NEWPROTO 10.8.0.2 "$command" newproto_run --device "$npnic"
done
echo
printf '%-25s %-14s %11s %11s %7s\n' "two virtual machines" measure "TCP, virtio" \
	"newproto" ratio
awk '
{ v[$1, $2] = $3 }
END {
	split("SET GET", command, " ")
	for (i = 1; i <= 2; i++) {
		tcp = v[command[i], "TCP"]
		new = v[command[i], "AF_NEWPROTO"]
		printf "%-25s %-14s %11s %11s %7s\n", "redis " command[i] ", 20 clients",
			"requests/s", tcp, new, (tcp > 0) ? sprintf("%.2f", new / tcp) : "-"
	}
}' $rows
echo
echo "TCP: over virtio-net, joined by QEMU's stream netdev; newproto: through npnic's shared memory."
barrier "done"
exit $failed
