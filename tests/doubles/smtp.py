"""A mail server that takes every message, as apprise's mailto:// sends them."""

import email
import email.policy
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from typing import cast


class Mailbox(socketserver.ThreadingTCPServer):
    """Messages that came in, with whom they were for."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Conversation)
        self.messages: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.arrived = threading.Event()

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.server_address[1]}"

    def text(self) -> str:
        """The text of the last message, as it is read."""
        part = self.messages[-1].get_body(("plain",))
        assert part is not None
        return cast(str, part.get_content()).replace("\r\n", "\n")


class _Conversation(socketserver.StreamRequestHandler):
    """As much of RFC 5321 as a client needs who has something to send."""

    server: Mailbox

    def handle(self) -> None:
        self._say("220 here")
        for line in self.rfile:
            verb = line.decode("ascii", "replace").strip().upper()
            if verb.startswith("RCPT TO:"):
                self.server.recipients.append(line.decode().split("<")[1].split(">")[0])
            if verb == "DATA":
                self._say("354 go on")
                self._take_message()
            self._say("221 bye" if verb == "QUIT" else "250 fine")
            if verb == "QUIT":
                return

    def _take_message(self) -> None:
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        message = email.message_from_bytes(b"".join(lines), policy=email.policy.default)
        self.server.messages.append(message)
        self.server.arrived.set()

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


@contextmanager
def mailbox() -> Iterator[Mailbox]:
    """A mail server on a free loopback port, for the block."""
    with Mailbox() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
