"""Pages about rules: the documents everybody may read, and the administration's."""

from yetan.plugins.declarations import NavigationItem, Page
from yetan.rules import admin_pages, public_pages

PAGES: tuple[Page, ...] = (*public_pages.PAGES, *admin_pages.PAGES)
NAVIGATION: tuple[NavigationItem, ...] = (*public_pages.NAVIGATION, *admin_pages.NAVIGATION)
