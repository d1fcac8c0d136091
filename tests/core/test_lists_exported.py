"""Every list of the desk and the administration can be taken away as an Excel file; who took it is recorded."""

from __future__ import annotations

import io
from typing import Any

import pytest
from openpyxl import load_workbook

from yetan.audit.models import AuditRecord
from yetan.issues.categories import CATEGORY_COLUMNS, parse_categories
from yetan.spreadsheets import read_table
from yetan.testing import Town
from yetan.units.table import UNIT_COLUMNS, parse_units


@pytest.fixture
def town(shared_town: Town) -> Town:
    """Nothing of it is changed but what a test adds."""
    return shared_town


def taken(town: Town, who: str, path: str) -> bytes:
    answer = town.browser(who).get(path)
    assert answer.status_code == 200, answer.text
    assert "filename*=UTF-8" in answer.headers["content-disposition"]
    return bytes(answer.content)


def rows(content: bytes) -> list[tuple[Any, ...]]:
    sheet = load_workbook(io.BytesIO(content)).active
    assert sheet is not None
    return list(sheet.iter_rows(values_only=True))


def test_units_and_categories_can_be_brought_in_again_as_they_were_taken(town: Town) -> None:
    content = taken(town, "administrator", "/admin/units/export")
    kinds = {kind.label: name for name, kind in town.configuration.unit_kinds.items()}
    table = parse_units(read_table(io.BytesIO(content), filename="units.xlsx", columns=UNIT_COLUMNS), kinds=kinds)
    assert not table.problems
    found = {unit.code: (unit.parent_code, unit.kind) for unit in table.units}
    assert found["village"] == ("township", "village")
    assert found["city"] == ("", "city")
    assert found.keys() == town.units.keys()
    content = taken(town, "administrator", "/admin/categories/export")
    paths = parse_categories(read_table(io.BytesIO(content), filename="categories.xlsx", columns=CATEGORY_COLUMNS))
    assert paths == (("城乡建设",), ("城乡建设", "市政设施"), ("城乡建设", "市政设施", "路灯"))


def test_accounts_are_listed_with_their_posts_and_no_phone_number(town: Town) -> None:
    found = rows(taken(town, "administrator", "/admin/accounts/export"))
    assert ("clerk", "周明远", "石桥镇") in [row[:3] for row in found]
    assert "resident" in [row[0] for row in found], "also who holds no post"
    assert "13800001234" not in str(found)
    assert town.browser("clerk").get("/admin/accounts/export").status_code == 403


def test_the_docket_the_synonyms_and_the_rules_too(town: Town) -> None:
    issue = town.report(title="等着研究的事")
    docket = rows(taken(town, "clerk", "/desk/docket/export"))
    assert (issue.number, issue.title, "溪尾村") in [row[:3] for row in docket]
    town.browser("administrator").submit("/admin/synonyms", {"words": "堵车 塞车"})
    assert rows(taken(town, "administrator", "/admin/synonyms/export"))[1:] == [("堵车 塞车",)]
    ruled = rows(taken(town, "administrator", "/admin/rules-export"))
    assert ("办理时限最长多少天", "柳湾市") in [row[:2] for row in ruled]

    async def looks() -> list[str]:
        looked = AuditRecord.filter(outcome="looked", action="desk.docket.export")
        return [record.subject for record in await looked]

    assert town.do(looks) == ["issues: 1"]
