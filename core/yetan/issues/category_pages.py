"""Administration of the category tree: the official list, and which of it is offered."""

from __future__ import annotations

from starlette.datastructures import UploadFile
from starlette.responses import Response

from yetan.errors import Invalid
from yetan.files.uploads import keep
from yetan.i18n import translate as _
from yetan.issues.categories import CATEGORY_COLUMNS, parse_categories
from yetan.issues.classification import load_categories, set_active
from yetan.issues.models import Category
from yetan.plugins.declarations import NavigationItem, Page
from yetan.web.downloads import listed
from yetan.web.forms import Field, Form
from yetan.web.request import Request

MANAGE = "category.manage"
UPLOAD_LIMIT = 17 * 1024 * 1024
_UNDER = Field("under", "上级类别", "number", required=False)
_SWITCH = (
    Field("category", "哪个类别", "number"),
    Field("active", "启用", "boolean", required=False),
)
FILE_FIELDS = (Field("file", "类别表（.xlsx 或 .csv）", "file", hint="列名：一级分类、二级分类、三级分类。"),)


async def categories(request: Request) -> Response:
    """What lies directly below a category, from the top down; and the form for the official list."""
    return await _categories(request, Form(FILE_FIELDS))


async def _categories(request: Request, form: Form, status: int = 200) -> Response:
    under = await _under(request)
    above = await Category.get_or_none(id=under) if under is not None else None
    shown = await Category.filter(parent_id=above.id if above is not None else None).order_by("position", "id")
    below: dict[int, int] = {row.id: 0 for row in shown}
    for row in await Category.filter(parent_id__in=list(below)).values("parent_id"):
        below[row["parent_id"]] += 1
    names = above.path.split("/") if above is not None else []
    paths = ["/".join(names[:level]) for level in range(1, len(names))]
    return request.render(
        "admin/categories.html",
        status=status,
        form=form,
        categories=shown,
        below=below,
        above=above,
        line=await Category.filter(path__in=paths).order_by("level"),
    )


async def _under(request: Request) -> int | None:
    if request.method == "POST":
        return None
    under: int | None = (await request.form((_UNDER,))).clean()["under"]
    return under


async def submit_list(request: Request) -> Response:
    """Add what the list has and the tree has not; nothing is taken away."""
    form = await request.form(FILE_FIELDS)
    try:
        file = form.clean()["file"]
        if not isinstance(file, UploadFile):
            raise Invalid.field("file", "请选一个文件。")
        kept = await keep(request.act, file, "categories", CATEGORY_COLUMNS)
        table = await kept.read()
        kept.discard()
        await load_categories(parse_categories(table))
    except Invalid as error:
        form.refuse(error.about("file"))
        return await _categories(request, form, error.status)
    return request.redirect("admin.categories")


async def export(request: Request) -> Response:
    """The tree as a table that can be brought in again."""
    places = {row.path: (row.position, row.id) for row in await Category.filter(active=True)}

    def place(path: str) -> list[tuple[int, int]]:
        names = path.split("/")
        return [places.get("/".join(names[:level]), (0, 0)) for level in range(1, len(names) + 1)]

    headings = [CATEGORY_COLUMNS[name].label for name in ("level_1", "level_2", "level_3")]
    rows = [path.split("/") for path in sorted(places, key=place)]
    return await listed(request, "categories", _("类别", count=2), headings, rows)


async def switch(request: Request) -> Response:
    """Offer a category for new issues, or no longer."""
    typed = (await request.form(_SWITCH)).clean()
    category = await set_active(request.act, typed["category"], typed["active"])
    return request.redirect("admin.categories", under=category.parent_id)


PAGES: tuple[Page, ...] = (
    Page("/admin/categories", categories, "admin.categories", permission=MANAGE),
    Page("/admin/categories/export", export, "admin.categories.export", permission=MANAGE, sensitive=True),
    Page(
        "/admin/categories",
        submit_list,
        "admin.categories.submit",
        methods=("POST",),
        permission=MANAGE,
        body_limit=UPLOAD_LIMIT,
    ),
    Page("/admin/categories/active", switch, "admin.categories.switch", methods=("POST",), permission=MANAGE),
)
NAVIGATION: tuple[NavigationItem, ...] = (NavigationItem("admin", "类别", "admin.categories", MANAGE, position=30),)
