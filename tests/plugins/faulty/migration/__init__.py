"""Its migration fails after it has made its table."""

from tests.plugins.faulty import faulty

plugin = faulty(__name__, package=__name__, models=f"{__name__}.models", migrations=f"{__name__}.migrations")
