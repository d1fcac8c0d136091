"""The `yetan` command."""

from __future__ import annotations

import sys

from yetan.imports import kept_for_good
from yetan.supervising import HEART, supervise


def main() -> None:
    """Run a command. What serves the site runs as a child of this process, which imports nothing of it."""
    if sys.argv[1:2] == ["serve"] and HEART not in sys.argv:
        sys.exit(supervise([sys.executable, "-m", "yetan", *sys.argv[1:]]))
    with kept_for_good():
        from yetan.cli.commands import run

    run()
