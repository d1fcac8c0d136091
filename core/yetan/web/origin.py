"""Where a request comes from and where it may lead: same-origin checks (C15) and local paths (C19)."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from starlette.datastructures import Headers

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def is_same_origin(headers: Headers) -> bool:
    """Whether a page of this site sent the request.

    Sec-Fetch-Site and Origin must each agree where they are sent; where neither is, the Referer must name this
    host. The Host header itself has been checked against the allow-list before.
    """
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None and site not in ("same-origin", "none"):
        return False
    if origin is not None:
        return _names_host(origin, headers)
    if site is not None:
        return True
    return _names_host(headers.get("referer", ""), headers)


def referring_path(headers: Headers) -> str:
    """The path and query of the page of this site that led here, or ""."""
    referer = headers.get("referer", "")
    if not _names_host(referer, headers):
        return ""
    parts = urlsplit(referer)
    return local_path(parts.path + (f"?{parts.query}" if parts.query else ""))


def local_path(text: str, default: str = "") -> str:
    """`text` if it is a path on this site, else `default`.

    Refuses whatever a browser might take for another host: two slashes, backslashes (which browsers read as
    slashes), control characters (which they drop), each also when percent-encoded, once or more often.
    """
    if not text.isprintable():
        return default
    path = text.partition("?")[0]
    while True:
        if not path.startswith("/") or path.startswith("//") or "\\" in path or not path.isprintable():
            return default
        decoded = unquote(path)
        if decoded == path:
            return text
        path = decoded


def _names_host(address: str, headers: Headers) -> bool:
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return (
        parts.scheme in ("http", "https")
        and bool(parts.netloc)
        and parts.netloc.lower() == headers.get("host", "").lower()
    )
