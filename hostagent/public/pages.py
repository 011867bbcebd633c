"""The customers' pages as HTML: templates, their policy, and the static files under the digest of their contents."""

import hashlib
from pathlib import Path
from typing import Any

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from hostagent.public.words import LANGUAGES, say

HERE = Path(__file__).parent
TYPES = {".mjs": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
# Nothing from elsewhere, no script or style in the page itself; pictures may be data: a pass keeps its own.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "worker-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    # A form's POST says where it comes from; another site learns nothing of a receipt's link.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Pages:
    """Templates and static files, read once."""

    def __init__(self) -> None:
        self._files = {
            path.name: path.read_bytes()
            for path in sorted((HERE / "static").iterdir())
            if path.suffix in TYPES
        }
        digest = hashlib.sha256()
        for name, data in self._files.items():
            digest.update(name.encode() + b"\0" + hashlib.sha256(data).digest())
        self.version = digest.hexdigest()[:16]
        self._jinja = jinja2.Environment(
            loader=jinja2.FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    @property
    def base(self) -> str:
        """Where pages of the host find the static files."""
        return f"/public/{self.version}/"

    @property
    def files(self) -> dict[str, bytes]:
        """The static files by name."""
        return self._files

    def text(self, template: str, language: int, assets: str | None = None, **values: Any) -> str:
        """A page's HTML. `assets`: where its static files are, with a slash at the end."""

        def words(key: str, **more: object) -> str:
            return say(language, key, **more)

        return self._jinja.get_template(template).render(
            say=words,
            lang=LANGUAGES[language],
            assets=assets or self.base,
            fixed=assets is not None,
            **values,
        )

    def page(self, template: str, language: int, status: int = 200, **values: Any) -> HTMLResponse:
        """A page of the host."""
        return HTMLResponse(self.text(template, language, **values), status, headers=HEADERS)

    def file(self, version: str, name: str) -> Response:
        """A static file, for good under its version."""
        data = self._files.get(name)
        if data is None or version != self.version:
            return Response("There is no such file.\n", 404, media_type="text/plain")
        headers = {
            "Cache-Control": "public, max-age=31536000, immutable",
            "X-Content-Type-Options": "nosniff",
        }
        return Response(data, headers=headers, media_type=TYPES[Path(name).suffix])

    def worker(self) -> Response:
        """The pass page's service worker: it may look after /p, and tells the version of what it keeps."""
        body = f'const ASSETS = "{self.base}";\n'.encode() + self._files["sw.mjs"]
        headers = {**HEADERS, "Service-Worker-Allowed": "/p", "Cache-Control": "no-cache"}
        return Response(body, headers=headers, media_type=TYPES[".mjs"])


def language_of(request: Request) -> int:
    """By ?lang=, else what the browser asks for first."""
    asked = request.query_params.get("lang")
    if asked in LANGUAGES:
        return LANGUAGES.index(asked)
    return 1 if request.headers.get("accept-language", "").strip().lower().startswith("de") else 0
