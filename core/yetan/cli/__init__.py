"""The `yetan` command."""

from __future__ import annotations

import sys

from yetan.imports import kept_for_good
from yetan.supervising import HEART, supervise


def main() -> None:
    """Run a command. The site and the worker run as children of this process, which imports nothing of them."""
    if sys.argv[1:2] in (["serve"], ["worker"]) and HEART not in sys.argv:
        sys.exit(supervise([sys.executable, "-m", "yetan", *sys.argv[1:]]))
    with kept_for_good():
        from yetan.cli.commands import run

    run()
