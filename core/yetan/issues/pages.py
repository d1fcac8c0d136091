"""Pages about issues: the residents', the desk's and the administration's."""

from yetan.issues import (
    bulk_pages,
    category_pages,
    desk_pages,
    docket_pages,
    filter_pages,
    import_pages,
    issue_pages,
    public_pages,
    register_pages,
    rule_pages,
)
from yetan.plugins.declarations import NavigationItem, Page

PAGES: tuple[Page, ...] = (
    *public_pages.PAGES,
    *desk_pages.PAGES,
    *bulk_pages.PAGES,
    *filter_pages.PAGES,
    *docket_pages.PAGES,
    *rule_pages.PAGES,
    *register_pages.PAGES,
    *issue_pages.PAGES,
    *category_pages.PAGES,
    *import_pages.PAGES,
)
NAVIGATION: tuple[NavigationItem, ...] = (
    *public_pages.NAVIGATION,
    *desk_pages.NAVIGATION,
    *docket_pages.NAVIGATION,
    *register_pages.NAVIGATION,
    *category_pages.NAVIGATION,
    *import_pages.NAVIGATION,
)
