"""The core's migrations, written by `python -m yetan.db.make_migrations` and applied by `yetan db upgrade`."""
