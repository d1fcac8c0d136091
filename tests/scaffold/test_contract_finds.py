"""The contract suite finds what it is about: a plugin with a fault for each of its tests fails each of them."""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from yetan.db.make_migrations import missing_migrations
from yetan.plugins import discovery
from yetan.plugins.registry import Registry
from yetan.scaffold import new_plugin
from yetan.testing.contract import PluginContract, Trial

NAME = "walks_astray"
PACKAGE = f"yetan_{NAME}"

MODELS = '''

from yetan.api import Person


async def forget(person_id: int) -> None:
    """Keep what should go."""


class Walker(Record):
    """Somebody who walks along."""

    privacy: ClassVar[Privacy] = Privacy(internal="person", personal="words", person="person", erase=forget)

    id = fields.IntField(primary_key=True)
    person: fields.ForeignKeyRelation[Person] = fields.ForeignKeyField(
        "yetan.Person", related_name=False, on_delete=fields.RESTRICT, db_index=True
    )
    words = fields.TextField()

    class Meta:
        app = "yetan_walks_astray"
        table = "yetan_walks_astray_walker"
'''

PAGES = '''

from starlette.responses import PlainTextResponse

from yetan_walks_astray.models import Walker


async def fail(request: Request) -> Response:
    """A page that breaks."""
    raise RuntimeError("the path is washed away")


async def tell(request: Request) -> Response:
    """A page that tells everybody who walks along."""
    return PlainTextResponse("".join([walker.words for walker in await Walker.all()]))


PAGES += (
    Page("/desk/walks_astray/broken", fail, "walks_astray.broken", permission=VIEW),
    Page("/desk/walks_astray/open", tell, "walks_astray.open", public=True),
)
'''

HOOKS = '''

from typing import Any

from yetan.api import Panel


async def nothing(act: Any, issue: Any) -> None:
    """What a panel shows that has nothing to show."""


@hookimpl
def yetan_panels() -> Sequence[Panel]:
    return (Panel("walks_astray.panel", "desk.issue", "walks_astray/arrivals.html", nothing),)
'''


@pytest.fixture(scope="module", autouse=True)
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The plugin as made, with a fault in each part; found as if it were installed."""
    project = new_plugin(NAME, "走岔了", tmp_path_factory.mktemp("astray"))
    for module, more in (("models", MODELS), ("pages", PAGES), ("hooks", HOOKS)):
        path = project / PACKAGE / f"{module}.py"
        path.write_text(path.read_text(encoding="utf-8") + more, encoding="utf-8")
    template = project / PACKAGE / "templates" / NAME / "arrivals.html"
    template.write_text(template.read_text(encoding="utf-8").replace("</h1>", '{{ _("走岔") }}</h1>'), encoding="utf-8")
    points = {**discovery.installed(), NAME: EntryPoint(NAME, f"{PACKAGE}:plugin", discovery.ENTRY_POINT_GROUP)}
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(project))
        patch.setattr(discovery, "installed", lambda: points)
        _write_migration(project / PACKAGE / "migrations" / "0002_walkers.py")
        yield
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[name]


def _write_migration(path: Path) -> None:
    """The migration that the models lack, with a step that cannot be taken back."""
    applications = Registry(plugins=discovery.load_with_dependencies(NAME), configurations={}).applications
    (writer,) = asyncio.run(missing_migrations(applications, PACKAGE))
    writer.name = path.stem
    path.write_text(
        writer.as_string().replace("operations = [", "operations = [\n        ops.RunSQL('SELECT 1'),"),
        encoding="utf-8",
    )
    importlib.invalidate_caches()


class TestAFaultyPlugin(PluginContract):
    plugin = NAME

    @pytest.mark.parametrize("kind", ["sqlite"])
    def test_its_migrations_go_up_and_down(
        self, kind: str, request: pytest.FixtureRequest, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        with pytest.raises(ValueError, match="not reversible"):
            super().test_its_migrations_go_up_and_down(kind, request, tmp_path, tmp_path_factory)

    #: What a plugin cannot do wrong: while it is off, the core alone goes by its tables.
    test_switched_off_and_on_again_it_has_kept_its_data = None  # type: ignore[assignment]

    def test_its_pages_answer_those_who_may_and_nobody_else(self, trial: Trial) -> None:
        with pytest.raises(AssertionError) as found:
            super().test_its_pages_answer_those_who_may_and_nobody_else(trial)
        said = str(found.value)
        assert "walks_astray.open (/desk/walks_astray/open) is public, and stands where only officials go" in said
        assert "walks_astray.open: GET /desk/walks_astray/open gives nobody the personal column Walker.words" in said
        assert "walks_astray.broken: GET /desk/walks_astray/broken gives clerk 500" in said
        assert "the path is washed away" in said
        assert "walks_astray.arrivals" not in said

    def test_the_city_goes_on_whichever_of_its_functions_fails(
        self, trial: Trial, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The guard lets nothing through: so it is taken off the panels."""

        async def unguarded(panel: Any, templating: Any, request: Any, subject: Any) -> None:
            await panel.load(request.act, subject)

        monkeypatch.setattr("yetan.web.panels._draw", unguarded)
        with pytest.raises(AssertionError, match=r"yetan_panels walks_astray.panel load fails: /desk/issues/\d+ gives"):
            super().test_the_city_goes_on_whichever_of_its_functions_fails(trial)

    def test_what_it_knows_of_a_person_can_be_exported_and_is_erased(self, trial: Trial) -> None:
        with pytest.raises(AssertionError, match=r"Walker.words \(personal\) still says 'words"):
            super().test_what_it_knows_of_a_person_can_be_exported_and_is_erased(trial)

    def test_its_catalogues_are_complete(self, trial: Trial) -> None:
        with pytest.raises(AssertionError) as found:
            super().test_its_catalogues_are_complete(trial)
        assert {"zh_Hant: 走岔", "en: 走岔"} <= {line.strip() for line in str(found.value).splitlines()}
