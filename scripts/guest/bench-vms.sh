#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# bench-vms.sh SECONDS REPEATS: in each of two guests of vms.sh -N, for bench.sh. The second
# serves, the first measures: TCP over virtio-net and over npnic, and AF_NEWPROTO over npnic.
# Its lines are those of np_bench, with "vms" where they have "speed".

# shellcheck source=SCRIPTDIR/host.sh
. ./host.sh

# The second waits for all of it.
HOST_TIMEOUT=600
export PATH="/programs/bin:$PATH" LD_LIBRARY_PATH=/programs/lib
seconds=$1 repeats=$2

for module in virtio_pci virtio_net newproto npnic; do
	modprobe $module || exit 1
done
up virtio_net 7 || exit 1
up npnic 8 || exit 1
npnic=$(device npnic)

launcher_of() { # KIND
	[ "$1" != newproto ] || echo "newproto_run --device $npnic"
}

# The server's port and address go with the kind.
where_of() { # KIND
	case $1 in
	virtio) echo 10.7.0.2 7001 ;;
	npnic) echo 10.8.0.2 7002 ;;
	newproto) echo 10.8.0.2 7003 ;;
	esac
}

if [ "$NP_VM" = 2 ]; then
	for kind in virtio npnic newproto; do
		# shellcheck disable=SC2046 # words
		$(launcher_of $kind) np_wire serve $(where_of $kind) &
	done
	barrier ready
	barrier "done"
	exit 0
fi

# One of ethtool's counters, the queues' together.
counter() { # NAME
	ethtool -S "$npnic" | awk -v name="$1:" '$1 ~ name { n += $2 } END { printf "%d\n", n }'
}

measure() { # ROW KIND NP_WIRE-ARGUMENTS...
	row=$1 kind=$2 what=$3
	shift 3
	# shellcheck disable=SC2046 # words
	timeout $((seconds + 15)) $(launcher_of "$kind") np_wire "$what" $(where_of "$kind") "$@" \
		>/tmp/said && return
	echo "$row $kind: $(cat /tmp/said)"
	failed=1
	return 1
}

median() {
	sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

# In turn, so that all have a share of what else the host does.
rows() { # ROW WHAT SIZE
	rm -f /tmp/figures.*
	for round in $(seq "$repeats"); do
		for kind in virtio npnic newproto; do
			bells=$(counter _doorbells)
			measure "$1" "$kind" "$2" "$3" "$seconds" || return
			echo "$(cat /tmp/said) $(($(counter _doorbells) - bells)) $round" \
				>>"/tmp/figures.$kind"
		done
	done
	for kind in virtio npnic newproto; do
		printf 'BENCH\tvms\t%s\t%s\t%s\n' "$1" "$kind" \
			"$(cut -d ' ' -f 1 <"/tmp/figures.$kind" | median)"
		[ "$kind" != virtio ] || continue
		# Doorbells that this machine has rung, and messages that it has sent. The figures
		# are MB/s, or round trips a second.
		awk -v row="$1" -v kind="$kind" -v size="$3" -v seconds="$seconds" '
			{ n += seconds * (row ~ /^ow/ ? $1 * 1e6 / size : $1); bells += $2 }
			END { printf "BENCH\tvms\tbell%s\t%s\t%.4f\n", row, kind, bells / n }' \
			"/tmp/figures.$kind"
	done
}

barrier ready
failed=0
printf 'BENCH\tkernel\t%s\n' "$(uname -r)"
rows pp64 pp 64
rows pp4k pp 4096
rows ow1k bulk 1024
rows ow64k bulk 65536
barrier "done"
exit $failed
