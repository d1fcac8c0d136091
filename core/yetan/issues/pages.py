"""Pages about issues."""

from yetan.issues import public_pages
from yetan.plugins.declarations import NavigationItem, Page

PAGES: tuple[Page, ...] = (*public_pages.PAGES,)
NAVIGATION: tuple[NavigationItem, ...] = (*public_pages.NAVIGATION,)
