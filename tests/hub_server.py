"""A hub on 127.0.0.1 with one repository: the few answers that fetching a model needs."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

REPOSITORY = "someone/tiny"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
GATED = "someone/gated"
TOKEN = "hf_let_me_in"


class Hub(ThreadingHTTPServer):
    """Serves the files of folder; .asked lists what was asked for, .wrong_hash and .broken make it fail."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder = folder
        self.asked: list[str] = []
        self.wrong_hash = False
        self.broken: set[str] = set()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def sha256(self, name: str) -> str:
        return "0" * 64 if self.wrong_hash else hashlib.sha256((self.folder / name).read_bytes()).hexdigest()

    def listing(self) -> dict[str, Any]:
        entries = []
        for path in sorted(self.folder.rglob("*")):
            name = path.relative_to(self.folder).as_posix()
            entry: dict[str, Any] = {"rfilename": name, "size": path.stat().st_size, "blobId": "b"}
            if path.suffix == ".safetensors":
                entry["lfs"] = {"sha256": self.sha256(name), "size": entry["size"], "pointerSize": 1}
            if path.is_file():
                entries.append(entry)
        return {"id": REPOSITORY, "modelId": REPOSITORY, "sha": COMMIT, "siblings": entries}


class _Handler(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, format: str, *arguments: Any) -> None:
        pass

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def _refusal(self, status: int, code: str) -> None:
        self._answer(status, json.dumps({"error": code}).encode(), X_Error_Code=code, Content_Type="application/json")

    def do_GET(self) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        path = self.path.partition("?")[0].lstrip("/")
        repository = "/".join(path.removeprefix("api/models/").split("/")[:2])
        may = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        if repository == GATED and not may:
            self._refusal(403 if self.headers.get("Authorization") else 401, "GatedRepo")
        elif repository not in (REPOSITORY, GATED):
            self._refusal(401, "RepoNotFound")
        elif COMMIT not in path:
            self._refusal(404, "RevisionNotFound")
        elif path.startswith("api/"):
            self._answer(200, json.dumps(self.server.listing()).encode(), Content_Type="application/json")
        else:
            self._file(path.partition(f"/resolve/{COMMIT}/")[2])

    def do_HEAD(self) -> None:
        self.do_GET()

    def _file(self, name: str) -> None:
        path = self.server.folder / name
        if name in self.server.broken:
            self._refusal(404, "EntryNotFound")
            return
        self._answer(
            200, path.read_bytes(), ETag=f'"{hashlib.sha256(name.encode()).hexdigest()}"', X_Repo_Commit=COMMIT
        )


@contextmanager
def serving(folder: Path) -> Iterator[Hub]:
    """A hub that serves folder until the block ends."""
    hub = Hub(folder)
    thread = threading.Thread(target=hub.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        thread.join()
        hub.server_close()
