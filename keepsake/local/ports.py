"""Finding ports on the loopback address for the parts of the embedded default."""

import errno
import socket

import psutil

HIGHEST = 65535


def free_port(start: int = 0, *, but: int | None = None) -> int:
    """The first free port on 127.0.0.1 from `start` upwards; 0: any the system offers.

    `but` is passed over: it is meant for another server.

    Another process may take it before it is used: what starts a server on it must notice.

    Raises:
        OSError: every port from `start` upwards is taken.
    """
    for port in range(start, HIGHEST + 1):
        if port != but and _refusal(port) is None:
            return port if port else _any_port()
    raise OSError(errno.EADDRINUSE, f"every port from {start} upwards is taken")


def why_not(port: int) -> str | None:
    """Why no server can listen on this port of 127.0.0.1 now; None if one can."""
    refusal = _refusal(port)
    if refusal is None:
        return None
    if refusal == errno.EACCES:
        return f"this user may not listen on port {port}: choose one above 1023"
    return f"port {port} of 127.0.0.1 is taken{_holder(port)}: choose another"


def _holder(port: int) -> str:
    """The program that listens there, where the system says so."""
    try:
        for connection in psutil.net_connections("tcp"):
            _, listens_on = connection.laddr or ("", None)
            if connection.status == psutil.CONN_LISTEN and listens_on == port and connection.pid:
                return f" by {psutil.Process(connection.pid).name()} (process {connection.pid})"
    except psutil.Error:  # macOS says so to root only
        pass
    return ""


def _refusal(port: int) -> int | None:
    """The error of the system when a server would listen there; None: it could."""
    with socket.socket() as sock:
        # As servers do: a port whose last connections are only fading away counts as free.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("127.0.0.1", port))
        except OSError as error:
            return error.errno or errno.EADDRINUSE
    return None


def _any_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
