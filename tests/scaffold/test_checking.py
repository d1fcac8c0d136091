"""`yetan plugin check` finds what each of its rules is about, and says where."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from yetan.cli.commands import application
from yetan.plugins.examined import Examined, Unexamined, find
from yetan.plugins.quality import RULES, Finding, Report
from yetan.scaffold import new_plugin

_numbers = itertools.count(1)
HOOKS, MODELS, SERVICE, PAGES = (
    "yetan_NAME/hooks.py",
    "yetan_NAME/models.py",
    "yetan_NAME/service.py",
    "yetan_NAME/pages.py",
)
PLUGIN, TEMPLATE = "yetan_NAME/__init__.py", "yetan_NAME/templates/NAME/arrivals.html"
IN_SERVICE = "    for event in events:\n"

#: Rule, file, what is put in place of what ("" for the end of the file), and what the finding says.
ENGLISH = "yetan_NAME/locale/en/LC_MESSAGES/messages.po"
CASES = (
    ("starts", PAGES, "permission=VIEW", "public=False", "must either name a permission or be public=True"),
    ("starts", MODELS, 'internal="issue at"', 'internal="issue"', "column 'at' has no privacy tag"),
    ("metadata", PLUGIN, 'version="0.1.0"', 'version="one"', "version 是 'one'"),
    ("metadata", PLUGIN, 'title="健步走"', 'title=" "', "title 是空的"),
    ("requires-api", PLUGIN, ">=0.1,<0.2", ">=0.1", "requires_api 是 '>=0.1'"),
    ("light", PLUGIN, "", "from yetan_NAME import models\n", "就带出了 yetan_NAME.models"),
    ("names", PAGES, '"NAME.view"', '"walks.view"', "Permission 'walks.view' 应当以 NAME. 开头"),
    ("names", HOOKS, 'Subscription("NAME.arrivals"', 'Subscription("arrivals"', "Subscription 'arrivals'"),
    ("names", MODELS, 'table = "yetan_NAME_arrival"', 'table = "arrival"', "Arrival 的表 'arrival'"),
    ("names", "yetan_NAME/templates/list.html", "", "<p>", "templates/list.html 应当放在 templates/NAME/ 里"),
    ("imports", SERVICE, "", "from yetan.issues import service\n", "：yetan.issues"),
    ("imports", SERVICE, "", "import yetan_supervision.service\n", "（插件 supervision）"),
    ("imports", "tests/test_NAME.py", "", "from yetan.runtime import current\n", "yetan.runtime"),
    ("forbidden", MODELS, "DatetimeField()", "DatetimeField(auto_now_add=True)", "auto_now_add=True"),
    ("forbidden", SERVICE, IN_SERVICE, "    datetime.now()\n" + IN_SERVICE, "：datetime.now()"),
    ("forbidden", SERVICE, IN_SERVICE, "    time.sleep(1)\n" + IN_SERVICE, "async 函数里的 time.sleep()"),
    ("forbidden", SERVICE, IN_SERVICE, "    requests.get('')\n" + IN_SERVICE, "async 函数里的 requests.get()"),
    ("forbidden", SERVICE, IN_SERVICE, "    asyncio.create_task(x())\n" + IN_SERVICE, "没有人等它"),
    ("forbidden", SERVICE, IN_SERVICE, "    fetch('SELECT now()')\n" + IN_SERVICE, "SQL 里的 now()"),
    ("forbidden", TEMPLATE, "issue.unit.name", "issue.unit.name | safe", "|safe"),
    ("pages", PAGES, "permission=VIEW)", "public=True)", "却在只给工作人员的地址下"),
    ("privacy", MODELS, '"yetan.Issue"', '"yetan.Person"', "Arrival.issue 指着一个人"),
    ("foreign-keys", MODELS, "fields.RESTRICT", "fields.CASCADE", "Arrival.issue 对 yetan.Issue 用了 CASCADE"),
    ("migrations", MODELS, "DatetimeField()", "DatetimeField(db_index=True)", "迁移里没有"),
    ("catalogues", TEMPLATE, "</h1>", '</h1>{{ _("另一句") }}', "en 里没有：另一句"),
    ("catalogues", PAGES, "查看健步走", "看看健步走", "zh_Hant 里没有：看看健步走"),
    (
        "catalogues",
        ENGLISH,
        '"Reported"',
        '"Reported {when}"',
        "译文里的 {} 和原文不一样",
    ),
    ("tests", "tests/test_contract.py", "PluginContract):", "object):", "没有一个 PluginContract"),
    ("readme", "README.md", "健步走", "走走", "README.md 里没有写"),
    ("license", "pyproject.toml", 'license = "Apache-2.0"\n', "", "没有 license"),
    ("indexes", MODELS, "OneToOne", "ForeignKey", "Arrival.issue 没有索引"),
    ("sensitive", PAGES, "permission=VIEW)", "permission=VIEW, model=Arrival)", "没有写 sensitive=True"),
    ("languages", ENGLISH, None, None, "没有 locale/en"),
    ("typed", SERVICE, "limit: int", "limit", "latest_arrivals 没有写全类型"),
    ("documented", SERVICE, "", "class Walk:\n    pass\n", "Walk 没有说明"),
    ("own-tests", "tests/test_NAME.py", "def test_", "def see_", "没有一个自己的测试"),
)


@pytest.fixture(autouse=True)
def own_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a check puts onto the path is gone afterwards."""
    monkeypatch.setattr(sys, "path", list(sys.path))


def examined(project: Path) -> Examined:
    (found,) = find(str(project))
    return found


@pytest.mark.parametrize(("rule_id", "file", "old", "new", "said"), CASES)
def test_a_broken_rule_is_found(
    tmp_path: Path, rule_id: str, file: str, old: str | None, new: str | None, said: str
) -> None:
    name = f"walks_{next(_numbers)}"
    project = new_plugin(name, "健步走", tmp_path)
    path = project / file.replace("NAME", name)
    if old is None or new is None:
        path.unlink()
    else:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        assert old.replace("NAME", name) in text
        wanted = new.replace("NAME", name)
        path.write_text(text.replace(old.replace("NAME", name), wanted) if old else text + wanted, encoding="utf-8")
    if rule_id == "sensitive":
        _tell_of_people(project, name)
    rule = next(each for each in RULES if each.id == rule_id)
    assert said.replace("NAME", name) in "\n".join(rule.examine(examined(project)))


def _tell_of_people(project: Path, name: str) -> None:
    """Give the page a model that tells of people, with what a page about a row needs."""
    pages, models, hooks = (project / f"yetan_{name}" / f"{each}.py" for each in ("pages", "models", "hooks"))
    models.write_text(models.read_text().replace('internal="issue at"', 'internal="issue", personal="at"'))
    pages.write_text(
        pages.read_text()
        .replace("import NavigationItem", "import Visibility, NavigationItem")
        .replace("\nVIEW", f"\nfrom yetan_{name}.models import Arrival\n\nVIEW")
        .replace(f"/desk/{name}", f"/desk/{name}/{{id:int}}")
        .partition("NAVIGATION = ")[0]
        + "NAVIGATION = ()\nVISIBILITY = (Visibility(Arrival, lambda act: Arrival.all(), None),)\n"
    )
    hooks.write_text(hooks.read_text() + "\n\n@hookimpl\ndef yetan_visibility():\n    return pages.VISIBILITY\n")


EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
OURS = ("supervision", "whoosh", "postgresql_search", "tantivy", "lantern")


@pytest.mark.parametrize("target", [*OURS, *(str(each.parent) for each in EXAMPLES.glob("*/pyproject.toml"))])
def test_our_own_plugins_and_those_of_the_docs_keep_what_bronze_asks_for(target: str) -> None:
    (found,) = find(target)
    # Those two take a process and a database; the contract suite goes through the migrations of each.
    rules = [rule for rule in RULES if rule.level == "bronze" and rule.id not in ("light", "migrations")]
    assert [f"{rule.id}: {text}" for rule in rules for text in rule.examine(found)] == []


def test_every_rule_has_a_case() -> None:
    assert {case[0] for case in CASES} == {rule.id for rule in RULES}
    assert len({rule.id for rule in RULES}) == len(RULES)


def test_what_cannot_be_loaded_is_told_and_the_rest_is_left_unexamined(tmp_path: Path) -> None:
    name = f"walks_{next(_numbers)}"
    project = new_plugin(name, "健步走", tmp_path)
    (project / f"yetan_{name}" / "__init__.py").write_text("import no_such_module_here\n")
    broken = examined(project)
    starts, names = (next(rule for rule in RULES if rule.id == each) for each in ("starts", "names"))
    assert "no_such_module_here" in "\n".join(starts.examine(broken))
    with pytest.raises(Unexamined):
        list(names.examine(broken))


def test_catalogues_are_brought_up_to_what_the_plugin_says(tmp_path: Path) -> None:
    name = f"walks_{next(_numbers)}"
    project = new_plugin(name, "健步走", tmp_path)
    template = project / TEMPLATE.replace("NAME", name)
    template.write_text(
        template.read_text(encoding="utf-8").replace("还没有收到新的事情。", "还没有健步走的事。"), encoding="utf-8"
    )
    told = CliRunner().invoke(application, ["plugin", "messages", str(project)])
    assert told.output.count("还有 1 句要翻译\n  还没有健步走的事。\n") == 2
    catalogue = (project / f"yetan_{name}" / "locale" / "en" / "LC_MESSAGES" / "messages.po").read_text("utf-8")
    assert 'msgid "还没有健步走的事。"\nmsgstr ""' in catalogue
    assert 'msgid "事情"\nmsgstr "Issue"' in catalogue
    assert "还没有收到新的事情。" not in catalogue


def test_a_level_needs_every_rule_of_it_and_of_those_below() -> None:
    by_level = {level: [rule for rule in RULES if rule.level == level] for level in ("bronze", "silver", "gold")}
    clean = Report("walks", "0.1.0", "健步走")
    assert (clean.level, clean.ok) == ("gold", True)
    assert Report("walks", "", "", [Finding(by_level["gold"][0], "")]).level == "silver"
    assert Report("walks", "", "", unexamined={by_level["silver"][0].id: "no folder"}).level == "bronze"
    broken = Report("walks", "", "", [Finding(by_level["bronze"][-1], "")])
    assert (broken.level, broken.ok) == (None, False)


def test_what_is_neither_a_plugin_nor_a_project_is_refused(tmp_path: Path) -> None:
    for target in ("no_such_plugin", str(tmp_path)):
        said = CliRunner().invoke(application, ["plugin", "check", target])
        assert said.exit_code == 1
        assert "请核对名字或路径" in str(said.exception)
