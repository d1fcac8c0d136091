"""Static files: read once at start from core, plugins, theme and deployment, served under a hash, cached for good."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

from msgspec import Struct
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

#: What is served, and as what. A file of another kind is not served.
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".webp": "image/webp",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
}


class StaticFile(Struct, frozen=True):
    """A file's content, its media type, and the hash its address carries."""

    content: bytes
    media_type: str
    hash: str


class StaticFiles:
    """The static files of a deployment. `folders` come in the order of templates: the first to have a file wins.

    Only what was found at start can be asked for, so no path leads out of the folders.
    """

    def __init__(self, folders: Iterable[Path]) -> None:
        self.files: dict[str, StaticFile] = {}
        for folder in folders:
            for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
                media_type = MEDIA_TYPES.get(path.suffix.lower())
                name = path.relative_to(folder).as_posix()
                if media_type is not None and name not in self.files and path.is_file():
                    content = path.read_bytes()
                    self.files[name] = StaticFile(content, media_type, hashlib.sha256(content).hexdigest()[:12])

    def address(self, name: str) -> str:
        """The path a page links to. Raises `LookupError` for a file there is not: better a fault than a dead link."""
        if name not in self.files:
            raise LookupError(f"There is no static file {name!r}.")
        return f"/static/{self.files[name].hash}/{quote(name)}"

    async def serve(self, request: Request) -> Response:
        """Answer GET /static/{hash}/{path}. Under another hash (an old page) the present file comes, uncached."""
        file = self.files.get(request.path_params["path"])
        if file is None:
            raise HTTPException(404)
        current = request.path_params["hash"] == file.hash
        caching = "public, max-age=31536000, immutable" if current else "no-cache"
        return Response(file.content, media_type=file.media_type, headers={"Cache-Control": caching})
