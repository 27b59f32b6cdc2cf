"""Opens connections: TCP, UDP, abstract and named Unix sockets, and a server of its own."""

import socket

from honest import one_hot

WAYS = [
    (socket.AF_INET, socket.SOCK_STREAM, lambda s: s.connect(("127.0.0.1", int("@port@")))),
    (socket.AF_INET, socket.SOCK_DGRAM, lambda s: s.sendto(b"x", ("127.0.0.1", int("@port@")))),
    (socket.AF_INET, socket.SOCK_STREAM, lambda s: s.bind(("127.0.0.1", 0)) or s.listen()),
    (socket.AF_INET6, socket.SOCK_DGRAM, lambda s: s.bind(("::1", 0))),
    (socket.AF_UNIX, socket.SOCK_STREAM, lambda s: s.connect("\0@socket@")),
    (socket.AF_UNIX, socket.SOCK_STREAM, lambda s: s.connect("@outside@/socket")),
]
for family, kind, use in WAYS:
    try:
        use(socket.socket(family, kind))
    except OSError as error:
        print(error)
    else:  # a network of its own would do no harm: but sockets are refused altogether
        print("BEATEN: a socket of", family, kind)
