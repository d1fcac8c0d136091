"""The log of the core."""

import logging

log = logging.getLogger("yetan")
