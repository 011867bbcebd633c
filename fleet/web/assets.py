"""The static files, read once: served under the digest of them all, so that they may be cached for good."""

from __future__ import annotations

import hashlib
from pathlib import Path

from fastapi import Request, Response

FOLDER = Path(__file__).parent / "static"
TYPES = {".mjs": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
FOR_GOOD = "public, max-age=31536000, immutable"


class Assets:
    """Every file of a flat folder, in memory. `version` names their contents: a new byte, a new address."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._files = {
            path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.suffix in TYPES
        }
        digest = hashlib.sha256()
        for name, data in self._files.items():
            digest.update(name.encode() + b"\0" + hashlib.sha256(data).digest())
        self.version = digest.hexdigest()[:16]

    @property
    def base(self) -> str:
        """Where pages find them. Modules import each other by relative names, so they stay in one version."""
        return f"/static/{self.version}"

    def serve(self, version: str, name: str, request: Request) -> Response:
        """The file, for good under its version; the one before an update is gone, and its page reloads."""
        data = self._files.get(name)
        if data is None or version not in (self.version, "latest"):
            return Response("There is no such file.\n", status_code=404, media_type="text/plain")
        etag = f'"{self.version}"'
        headers = {
            "Cache-Control": FOR_GOOD if version == self.version else "no-cache",
            "ETag": etag,
            "X-Content-Type-Options": "nosniff",
        }
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers=headers)
        return Response(data, headers=headers, media_type=TYPES[Path(name).suffix])
