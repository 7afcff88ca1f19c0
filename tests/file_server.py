"""A local server of files that breaks off, forgets ranges or changes its files when told to."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class FileServer(ThreadingHTTPServer):
    """Serves `content` by path.

    Attributes:
        most: bytes after which an answer breaks off; None: never.
        ranges: whether it knows them.
        tag: ETag of all files.
        status: answered instead, if not 200.
        asked: (method, path, first byte asked for) of every request.
    """

    daemon_threads = True

    def __init__(self, content: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content, self.most, self.ranges, self.tag = content, None, True, '"1"'
        self.status = 200
        self.asked: list[tuple[str, str, int]] = []

    most: int | None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: FileServer

    def _answer(self, body: bool) -> None:
        server = self.server
        asked = self.headers.get("Range", "bytes=0-")
        start = int(asked.removeprefix("bytes=").rstrip("-"))
        server.asked.append((self.command, self.path, start))
        content = server.content.get(self.path)
        status = server.status if content is not None else 404
        if status != 200 or content is None:
            self.send_error(status)
            return
        if not server.ranges or self.headers.get("If-Range", server.tag) != server.tag:
            start = 0
        if start and start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        if server.tag:
            self.send_header("ETag", server.tag)
        self.end_headers()
        if body:
            end = len(content) if server.most is None else start + server.most
            self.wfile.write(content[start:end])

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(content: dict[str, bytes]) -> Iterator[FileServer]:
    with FileServer(content) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
