"""Ports for the parts of the embedded default."""

import socket

from keepsake.local.ports import free_port


def test_a_port_meant_for_another_server_is_passed_over() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        start = taken.getsockname()[1]
        first = free_port(start)
        assert first > start
        assert free_port(start, but=first) > first
