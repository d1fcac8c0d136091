"""`python -m tests.benchmarks.serving PORT bare|plain|town ...`: one of the processes that are measured.

Nothing is imported but what that one needs: its memory and its start are measured as well.
"""

from __future__ import annotations

import argparse
import base64
import pickle
from datetime import datetime

import uvicorn
from starlette.types import ASGIApp


def plain(url: str) -> ASGIApp:
    """What the town is compared with."""
    from tests.benchmarks.plain import application

    return application(url)


def bare() -> ASGIApp:
    """What its pages are compared with."""
    from tests.benchmarks.bare import application

    return application()


def town(configuration: str, now: str, worker: bool) -> ASGIApp:
    """The town, at a time that stands, so that a filled database is never out of date. Made as `yetan serve` does."""
    from yetan.imports import kept_for_good

    with kept_for_good():
        from yetan.app import build_app

        standing = datetime.fromisoformat(now)
        return build_app(pickle.loads(base64.b64decode(configuration)), lambda: standing, worker=worker)


def main() -> None:
    """Serve the application that is named."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("what", choices=("bare", "plain", "town"))
    parser.add_argument("--url", default="")
    parser.add_argument("--configuration", default="", help="a pickled one, in base64")
    parser.add_argument("--now", default="")
    parser.add_argument("--worker", action="store_true")
    given = parser.parse_args()
    if given.what == "town":
        app = town(given.configuration, given.now, given.worker)
    else:
        app = plain(given.url) if given.what == "plain" else bare()
    uvicorn.run(app, host="127.0.0.1", port=given.port, log_level="warning", access_log=False, proxy_headers=False)


if __name__ == "__main__":
    main()
