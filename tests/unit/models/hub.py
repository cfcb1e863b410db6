"""A hub on this machine that speaks what huggingface_hub asks: HEAD and GET of /ID/resolve/REVISION/FILE."""

import hashlib
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LATER = "89abcdef0123456789abcdef0123456789abcdef"


@dataclass
class LocalHub:
    """What it has: `files` by name, of the repository `id`; `head` is the commit of its branch main."""

    id: str
    files: dict[str, bytes]
    head: str = COMMIT
    endpoint: str = ""
    asked: list[str] = field(default_factory=list)

    def answer(self, path: str) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and body for a path."""
        self.asked.append(path)
        repository, _, rest = path.lstrip("/").partition("/resolve/")
        revision, _, name = rest.partition("/")
        commit = self.head if revision == "main" else revision
        if repository != self.id or name not in self.files or commit not in (COMMIT, LATER):
            return 404, {"X-Error-Code": "EntryNotFound"}, b""
        body = self.files[name]
        etag = f'"{hashlib.sha256(body).hexdigest()}"'
        return 200, {"ETag": etag, "X-Repo-Commit": commit, "Content-Length": str(len(body))}, body


@contextmanager
def local_hub(id: str, files: Mapping[str, bytes]) -> Iterator[LocalHub]:  # noqa: A002  # as hubs call it
    """The hub while it runs; `endpoint` is its address."""
    hub = LocalHub(id, dict(files))

    class Answers(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:  # the library's name
            self._answer(with_body=False)

        def do_GET(self) -> None:  # as above
            self._answer(with_body=True)

        def _answer(self, with_body: bool) -> None:
            status, headers, body = hub.answer(self.path)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            if with_body:
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the library's name
            """Is quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    hub.endpoint = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
