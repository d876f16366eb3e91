"""A web server for tests: a folder by HTTP, with ranges, ETags and bad weather on demand."""

import threading
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass
class Web:
    """A running server."""

    root: str
    folder: Path
    n_errors: int = 0
    """answers of 503 still to give"""
    ignores_ranges: bool = False
    has_etags: bool = True
    asked: Counter = field(default_factory=Counter)
    """requests by method, path and range"""


def _handler(web: Web) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def _answer(self, *, with_body: bool) -> None:
            span = self.headers.get("Range", "")
            web.asked[self.command, self.path, span] += 1
            path = web.folder / self.path.lstrip("/")
            status, data = 200, path.read_bytes() if path.is_file() else b""
            etag = sha1(data).hexdigest()
            if web.n_errors:
                web.n_errors -= 1
                status, data = 503, b""
            elif not path.is_file():
                status = 404
            elif span and not web.ignores_ranges:
                first, _, last = span.removeprefix("bytes=").partition("-")
                status, data = 206, data[int(first) : int(last) + 1 if last else None]
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.send_header("Accept-Ranges", "bytes")
            if web.has_etags:
                self.send_header("ETag", f'"{etag}"')
            self.end_headers()
            if with_body:
                self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


@contextmanager
def serve(folder: Path):
    web = Web("", folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(web))
    server.daemon_threads = True
    web.root = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
