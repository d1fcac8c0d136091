"""The HTTP server, and what it refuses before there is a request: a head without an end, or one that never comes."""

from __future__ import annotations

from asyncio import TimerHandle, Transport
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

#: Bytes of a request's first line and headers beyond what the first read brings (a quarter of a megabyte at most);
#: the parser itself would take them without an end (C22).
MAXIMUM_HEAD = 64 * 1024
#: Seconds from the opening of a connection, or the first byte of its next request, to the end of the headers.
HEAD_SECONDS = 20.0


def server_configuration(app: ASGIApp, **options: Any) -> uvicorn.Config:
    """How the site is served, in the one place that knows; `options` are uvicorn's own."""
    return uvicorn.Config(
        app,
        http=Connection,
        ws="none",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        **options,
    )


class Connection(HttpToolsProtocol):
    """uvicorn's, with an end to the head of a request in bytes and in time."""

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        #: Bytes that followed the first of the head being read; None while none is.
        self._head: int | None = None
        self._patience: TimerHandle | None = None
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._have_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        before = self._head
        super().data_received(data)
        if before is not None and self._head is not None:
            self._head += len(data)
            if self._head > MAXIMUM_HEAD:
                self.send_400_response("The head of the request is too large.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head = 0
        self._await_head()

    def on_headers_complete(self) -> None:
        self._have_head()
        super().on_headers_complete()

    def _await_head(self) -> None:
        if self._patience is None:
            self._patience = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _have_head(self) -> None:
        self._head = None
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
