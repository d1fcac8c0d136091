"""Pages about issues: the residents' and the desk's."""

from yetan.issues import desk_pages, issue_pages, public_pages, register_pages
from yetan.plugins.declarations import NavigationItem, Page

PAGES: tuple[Page, ...] = (
    *public_pages.PAGES,
    *desk_pages.PAGES,
    *register_pages.PAGES,
    *issue_pages.PAGES,
)
NAVIGATION: tuple[NavigationItem, ...] = (
    *public_pages.NAVIGATION,
    *desk_pages.NAVIGATION,
    *register_pages.NAVIGATION,
)
