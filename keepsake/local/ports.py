"""Finding ports on the loopback address for the parts of the embedded default."""

import socket
from itertools import count


def free_port(start: int = 0) -> int:
    """The first free port on 127.0.0.1 from `start` upwards; 0: any the system offers.

    Another process may take it before it is used: whoever starts a server on it must notice.

    Raises:
        OverflowError: every port from `start` upwards is taken.
    """
    return next(filter(None, map(_bind, count(start))))


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of 127.0.0.1 now."""
    return bool(_bind(port))


def _bind(port: int) -> int | None:
    with socket.socket() as sock:
        # As servers do: a port whose last connections are only fading away counts as free.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            return None
        return int(sock.getsockname()[1])
