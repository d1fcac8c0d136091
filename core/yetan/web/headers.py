"""Headers of every answer, and what is refused before any page is asked: wrong hosts, endless or broken addresses."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from yetan.config import Configuration
from yetan.i18n import translate
from yetan.web.errors import Answer, fallback_page

#: Nothing but this site's own files; no inline script or style anywhere (C13).
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self'; font-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; manifest-src 'self'"
)
#: The longest path with query that is looked at, in bytes as sent.
MAXIMUM_ADDRESS = 8192

_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


def security_headers(configuration: Configuration) -> dict[str, str]:
    """The headers every answer carries, also errors, plugins' pages and static files."""
    headers = {
        "Content-Security-Policy": CONTENT_SECURITY_POLICY,
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    }
    if configuration.secure:
        headers["Strict-Transport-Security"] = "max-age=31536000"
    return headers


class Gate:
    """Pure ASGI, outermost: puts the headers on, checks the Host, finds out the remote address."""

    def __init__(self, app: ASGIApp, configuration: Configuration) -> None:
        self.app = app
        headers = security_headers(configuration)
        self.raw_headers = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        self.names = frozenset(name for name, _ in self.raw_headers)
        self.hosts = _hosts(configuration)
        self.proxies = [ip_network(each) for each in configuration.server.trusted_proxies]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                others = [pair for pair in message["headers"] if pair[0] not in self.names]
                message["headers"] = others + self.raw_headers
            await send(message)

        hosts: list[str] = []
        forwarded: list[str] = []
        for name, value in scope["headers"]:
            if name == b"host":
                hosts.append(value.decode("latin-1"))
            elif name == b"x-forwarded-for":
                forwarded.append(value.decode("latin-1"))
        scope["yetan.source"] = remote_address(scope, forwarded, self.proxies)
        refusal = self._refusal(scope, hosts)
        if refusal is None:
            await self.app(scope, receive, with_headers)
        else:
            response = HTMLResponse(fallback_page(refusal), refusal.status, refusal.headers)
            await response(scope, receive, with_headers)

    def _refusal(self, scope: Scope, hosts: Sequence[str]) -> Answer | None:
        if len(hosts) != 1 or _host_name(hosts[0]) not in self.hosts:
            return Answer(400, translate("网址不对"), translate("这个网站不在这个地址上，请核对网址。"))
        query: bytes = scope["query_string"]
        if len(scope.get("raw_path") or scope["path"].encode()) + len(query) > MAXIMUM_ADDRESS:
            return Answer(414, translate("网址太长"), translate("请缩短要查的内容再试。"))
        if not scope["path"].isprintable() or "\ufffd" in scope["path"] or b"%00" in query:
            return Answer(400, translate("网址不对"), translate("网址里有无法识别的字符，请核对网址。"))
        return None


def remote_address(scope: Scope, forwarded: Sequence[str], proxies: Sequence[IPv4Network | IPv6Network]) -> str:
    """The address the request comes from. `forwarded`, X-Forwarded-For, is believed from configured proxies (C68)."""
    client = scope.get("client")
    address = client[0] if client else ""
    hops = [hop.strip() for line in forwarded for hop in line.split(",")]
    while hops and is_among(address, proxies):
        nearer = hops.pop()
        if not _is_address(nearer):
            break
        address = nearer
    return address[:64]


def is_among(address: str, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    """Whether an address lies in one of some networks."""
    return _is_address(address) and any(ip_address(address) in network for network in networks)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _hosts(configuration: Configuration) -> frozenset[str]:
    own = {_host_name(urlsplit(configuration.base_url).netloc)}
    allowed = {_host_name(each) for each in configuration.server.allowed_hosts}
    return frozenset(own | allowed | (_LOCAL if own & _LOCAL else frozenset()))


@lru_cache(maxsize=128)
def _host_name(host: str) -> str:
    """The name in a Host header, without port, in lower case; "" for what is none."""
    try:
        return (urlsplit(f"//{host}").hostname or "") if host.isprintable() and not set(host) & set("/?#@\\ ") else ""
    except ValueError:
        return ""
