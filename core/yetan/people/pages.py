"""Pages."""

from yetan.plugins.declarations import NavigationItem, Page

PAGES: tuple[Page, ...] = ()
NAVIGATION: tuple[NavigationItem, ...] = ()
