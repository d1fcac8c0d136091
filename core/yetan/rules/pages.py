"""Pages about rules."""

from yetan.plugins.declarations import NavigationItem, Page
from yetan.rules import public_pages

PAGES: tuple[Page, ...] = (*public_pages.PAGES,)
NAVIGATION: tuple[NavigationItem, ...] = (*public_pages.NAVIGATION,)
