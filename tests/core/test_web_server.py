"""What the server refuses before there is a request."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest
import uvicorn
from starlette.responses import PlainTextResponse

from yetan.web import server
from yetan.web.server import server_configuration

Work = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def served(work: Work) -> None:
    """Do `work` on a connection to a server that answers everything with "yes"."""

    async def go() -> None:
        listening = socket.create_server(("127.0.0.1", 0))
        serving = uvicorn.Server(server_configuration(PlainTextResponse("yes"), lifespan="off"))
        task = asyncio.create_task(serving.serve([listening]))
        reader, writer = await asyncio.open_connection(*listening.getsockname())
        try:
            await asyncio.wait_for(work(reader, writer), 30)
        finally:
            writer.close()
            serving.should_exit = True
            await task

    asyncio.run(go())


async def answered(reader: asyncio.StreamReader) -> bytes:
    """The status line of the next answer."""
    head = await reader.readuntil(b"\r\n\r\n")
    await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
    return head.split(b"\r\n")[0]


@pytest.mark.parametrize("begun", [b"GET /", b"GET / HTTP/1.1\r\nHost: x\r\nCookie: ", b"GET / HTTP/1.1\r\n"])
def test_a_head_without_an_end_is_refused(begun: bytes) -> None:
    async def work(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(begun)
        more = b"x: y\r\n" * 200 if begun.endswith(b"\r\n") else b"x" * 1000

        async def go_on() -> None:
            for _ in range(40 * server.MAXIMUM_HEAD // len(more)):
                writer.write(more)
                await asyncio.sleep(0)
                await writer.drain()

        with pytest.raises(ConnectionError):
            await go_on()

    served(work)


def test_a_form_as_large_as_it_likes_is_the_page_s_to_refuse() -> None:
    async def work(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body = b"x" * 10 * server.MAXIMUM_HEAD
        for _ in range(2):
            writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            assert await answered(reader) == b"HTTP/1.1 200 OK"

    served(work)


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nHost:"])
def test_who_does_not_come_to_a_request_is_left(begun: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.2)

    async def work(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if begun:
            # One request that comes in time, then one that does not.
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert await answered(reader) == b"HTTP/1.1 200 OK"
        writer.write(begun)
        assert await reader.read() == b""

    served(work)
