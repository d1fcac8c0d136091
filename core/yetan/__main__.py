"""`python -m yetan` is the `yetan` command."""

from yetan.cli import main

main()
