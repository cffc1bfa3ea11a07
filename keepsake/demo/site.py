"""A small site for the demo's bookmarks, on loopback, for as long as the demo runs.

Its pages are in `data/site/`: with and without metadata, one in another charset than it says, one
behind a short link. They were written for this demo.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from keepsake.local.ports import free_port
from keepsake.settings import Settings

PAGES = Path(__file__).parent / "data" / "site"
# The same whenever it can be had: a bookmark keeps the address that it was added with.
HOST, PORT = "127.0.0.1", 8947
SHORT_LINKS = {"/t": "/tides"}


def allowed_by(settings: Settings) -> Settings:
    """The settings with leave to fetch the site, which is at a private address."""
    allowed = f"{settings.web_allow},{HOST}".strip(",")
    return settings.model_copy(update={"web_allow": allowed, "web_host_interval": 0.0})


@contextmanager
def serving() -> Iterator[str]:
    """The base URL of the site, served inside the block."""
    server = ThreadingHTTPServer((HOST, free_port(PORT)), _Site)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="demo site", daemon=True).start()
    try:
        yield f"http://{HOST}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class _Site(BaseHTTPRequestHandler):
    """Answers with a page, a redirect, or that there is none."""

    def do_GET(self) -> None:  # the name that http.server asks for
        if target := SHORT_LINKS.get(self.path):
            self._answer(301, {"Location": target})
            return
        page = PAGES / f"{Path(self.path).name}.html"
        if self.path.count("/") != 1 or not page.is_file():
            self._answer(404, {})
            return
        body = page.read_bytes()
        tag = f'"{sha256(body).hexdigest()[:16]}"'
        if self.headers.get("If-None-Match") == tag:
            self._answer(304, {"ETag": tag})
        else:
            self._answer(200, {"ETag": tag, "Content-Type": "text/html"}, body)

    def _answer(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # its name there
        """Say nothing: the demo's console is for the demo."""
