"""What all tests share. The fixtures themselves are documented where they are defined."""

pytest_plugins = ["tests.postgresql"]
