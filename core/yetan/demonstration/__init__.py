"""The demo: a city's invented history, played through the same services as the real thing."""
