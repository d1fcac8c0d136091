"""Yetan: the core. Import what is stable from `yetan.api`."""
