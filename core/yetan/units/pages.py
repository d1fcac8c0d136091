"""Pages about units."""

from yetan.plugins.declarations import NavigationItem, Page
from yetan.units import public_pages

PAGES: tuple[Page, ...] = (*public_pages.PAGES,)
NAVIGATION: tuple[NavigationItem, ...] = (*public_pages.NAVIGATION,)
