"""Prints the TCP ports of an address at which a connection is made, from all that there are."""

import resource
import selectors
import socket
import sys
import time

AT_ONCE = 16384
SECONDS = 1.0


def connected(address, ports):
    waiting = selectors.DefaultSelector()
    for port in ports:
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex((address, port))
        waiting.register(client, selectors.EVENT_WRITE, port)
    end = time.monotonic() + SECONDS
    while waiting.get_map() and time.monotonic() < end:
        for key, _ in waiting.select(end - time.monotonic()):
            if key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
                yield key.data
            waiting.unregister(key.fileobj)
            key.fileobj.close()
    for key in list(waiting.get_map().values()):
        waiting.unregister(key.fileobj)
        key.fileobj.close()


resource.setrlimit(resource.RLIMIT_NOFILE, (AT_ONCE + 64, AT_ONCE + 64))
for first in range(1, 65536, AT_ONCE):
    for port in sorted(connected(sys.argv[1], range(first, min(first + AT_ONCE, 65536)))):
        print(port)
