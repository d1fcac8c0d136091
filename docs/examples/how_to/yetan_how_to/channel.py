"""A way of one's own to bring notices: by SMS, through the gateway of the town's network."""

import json
from dataclasses import dataclass
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from anyio import to_thread

from yetan.api import Message, current


@dataclass(frozen=True)
class HowToConfiguration:
    """[plugin.how_to] of yetan.toml."""

    #: The gateway's address; without one, nothing is sent.
    gateway: str = ""


async def send(message: Message) -> None:
    """Pass over whom it cannot reach; what raises is sent again later, under the same key."""
    configuration: HowToConfiguration = current().plugin_configurations["how_to"]
    if configuration.gateway and message.phone:
        # In a thread: what waits for a network must not hold the event loop.
        await to_thread.run_sync(_post, configuration.gateway, message)


def _post(gateway: str, message: Message) -> None:
    body = {"id": message.key, "to": message.phone, "text": message.text}
    request = Request(gateway, json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        urlopen(request, timeout=10).close()
    except HTTPError as refused:
        refused.close()
        raise
