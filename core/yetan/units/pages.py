"""Pages about units: the public ones, and the administration's."""

from yetan.plugins.declarations import NavigationItem, Page
from yetan.units import admin_pages, public_pages

PAGES: tuple[Page, ...] = (*public_pages.PAGES, *admin_pages.PAGES)
NAVIGATION: tuple[NavigationItem, ...] = (*public_pages.NAVIGATION, *admin_pages.NAVIGATION)
