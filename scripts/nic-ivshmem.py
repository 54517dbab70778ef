#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""nic-ivshmem.py SOCKET FILE VECTORS: an ivshmem server that knows nothing of npnic.

It serves FILE as the memory of QEMU's ivshmem-doorbell, as any other program's server would, to
one QEMU after the other, until it is killed. For tests of what npnic does with such memory.
"""

import array
import os
import socket
import struct
import sys


def tell(conn, number, fd=None):
    """A message is a number of 8 bytes, and a file descriptor if there is one to tell of."""
    extra = []
    if fd is not None:
        extra = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))]
    conn.sendmsg([struct.pack("<q", number)], extra)


def serve(conn, number, memory, vectors):
    """Protocol version 0, the client's number, the memory, and the client's own doorbells."""
    bells = [os.eventfd(0, os.EFD_NONBLOCK) for _ in range(vectors)]
    tell(conn, 0)
    tell(conn, number)
    tell(conn, -1, memory)
    for bell in bells:
        tell(conn, number, bell)
    while conn.recv(1):
        pass
    for bell in bells:
        os.close(bell)


def main():
    path, name, vectors = sys.argv[1], sys.argv[2], int(sys.argv[3])
    memory = os.open(name, os.O_RDWR)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen()
    number = 0
    while True:
        conn, _ = listener.accept()
        try:
            serve(conn, number, memory, vectors)
        except OSError as error:
            print(f"client {number}: {error}", file=sys.stderr)
        conn.close()
        number += 1


main()
