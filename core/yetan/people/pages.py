"""Pages about people: accounts and personal data in the administration, households at the desk."""

from yetan.people import account_pages, household_pages, person_pages
from yetan.plugins.declarations import NavigationItem, Page

PAGES: tuple[Page, ...] = (*account_pages.PAGES, *person_pages.PAGES, *household_pages.PAGES)
NAVIGATION: tuple[NavigationItem, ...] = (
    NavigationItem("admin", "账号", "admin.accounts", account_pages.MANAGE, position=20),
    NavigationItem("admin", "个人信息", "admin.persons", person_pages.PRIVACY, position=70),
    NavigationItem("desk", "住户", "desk.households", household_pages.MANAGE, position=60),
)
