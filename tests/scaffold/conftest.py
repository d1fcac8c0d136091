"""What plugin authors get is tested as they have it: on the kit's own database, not on both of the core's tests."""

from yetan.testing.pytest_plugin import town_database_url as town_database_url
