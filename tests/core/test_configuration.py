"""yetan.toml and the environment: everything that is wrong is said at once, with its path and what to write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from yetan.api import ConfigurationError
from yetan.config import Configuration, _as_written, _NotPlain, check_dataclass, load_configuration

CITY = """
secret_key = "0123456789012345678901234567890123456789"
plugins = ["bells"]

[city]
name = "柳湾市"

[unit_kinds.city]
label = "市"
"""


def written(folder: Path, text: str = CITY) -> Path:
    path = folder / "yetan.toml"
    path.write_text(text, encoding="utf-8")
    return path


def loaded(folder: Path, text: str = CITY, **environment: str) -> Configuration:
    return load_configuration(written(folder, text), environment)


def problems_of(folder: Path, text: str, **environment: str) -> list[str]:
    with pytest.raises(ConfigurationError) as refused:
        loaded(folder, text, **environment)
    return refused.value.problems


def test_what_is_not_written_has_its_default(tmp_path: Path) -> None:
    configuration = loaded(tmp_path)
    assert configuration.data_dir == tmp_path / "var"
    assert configuration.database_url == f"sqlite://{tmp_path}/var/yetan.sqlite3"
    assert configuration.base_url == "http://127.0.0.1:8000"
    assert str(configuration.city.zone) == "Asia/Shanghai"
    assert not configuration.secure


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    text = CITY + '\n[data]\ndir = "here"\n[database]\nurl = "sqlite:///there"\n[server]\nbase_url = "http://file"\n'
    configuration = loaded(
        tmp_path,
        text,
        YETAN_DATA_DIR=f"{tmp_path}/elsewhere",
        YETAN_DATABASE_URL="postgresql://db/yetan",
        YETAN_BASE_URL="https://city.example/",
        YETAN_SECRET_KEY="x" * 32,
    )
    assert configuration.data_dir == tmp_path / "elsewhere"
    assert configuration.database_url == "postgresql://db/yetan"
    assert configuration.base_url == "https://city.example"
    assert configuration.secret_key == "x" * 32
    assert configuration.secure


def test_the_secret_comes_from_a_file_or_from_the_data_folder(tmp_path: Path) -> None:
    text = CITY.replace("secret_key", "# secret_key")
    key = tmp_path / "key"
    key.write_text("k" * 40 + "\n")
    assert loaded(tmp_path, text, YETAN_SECRET_KEY_FILE=str(key)).secret_key == "k" * 40
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "secret_key").write_text("d" * 40)
    assert loaded(tmp_path, text).secret_key == "d" * 40


def test_unknown_keys_and_wrong_types_are_said_together_with_their_path_and_a_suggestion(tmp_path: Path) -> None:
    text = CITY.replace("name =", "nmae =").replace("label", "lable") + '\n[server]\nport = "eight"\n\n[servr]\n'
    problems = problems_of(tmp_path, text)
    assert "city.nmae: unknown key; did you mean 'name'?" in problems
    assert "city.name: missing, and it has no default" in problems
    assert "unit_kinds.city.lable: unknown key; did you mean 'label'?" in problems
    assert any(each.startswith("server.port: ") and "'eight'" in each for each in problems)
    assert "servr: unknown key; did you mean 'server'?" in problems


def test_values_out_of_range_are_said_together(tmp_path: Path) -> None:
    text = CITY.replace("0123456789" * 4, "short") + (
        '\n[plugin.bels]\n\n[server]\nport = 70000\nsession_hours = 0\nbase_url = "ftp://city"\n'
    )
    text = text.replace('plugins = ["bells"]', 'plugins = ["bells", "bells"]\ntheme = "lantern"')
    about = 'name = "柳湾市"\ntime_zone = "Asia/Sanming"\nlocale = "en"\nlocales = ["eo"]'
    text = text.replace('name = "柳湾市"', about)
    problems = problems_of(tmp_path, text)
    assert [each.partition(":")[0] for each in problems] == [
        "city.time_zone",
        "city.locales",
        "city.locale",
        "server.port",
        "server.session_hours",
        "theme",
        "plugin.bels",
        "plugins",
        "server.base_url",
        "secret_key",
    ]
    assert "did you mean 'bells'?" in problems[6]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[city", "is not valid TOML"),
        ("", "city: missing"),
        (CITY.replace("[unit_kinds.city]\nlabel", "[unit_kinds]\n#"), "unit_kinds: at least one kind"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(tmp_path: Path, text: str, said: str) -> None:
    assert any(said in problem for problem in problems_of(tmp_path, text))


def test_a_missing_or_unreadable_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="找不到配置文件"):
        load_configuration(tmp_path / "none.toml", {})
    (tmp_path / "gbk.toml").write_bytes("[city]\nname = '柳湾市'".encode("gbk"))
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_configuration(tmp_path / "gbk.toml", {})


@dataclass(frozen=True)
class Clapper:
    """[plugin.bells.clapper]"""

    weight: int = 1


@dataclass(frozen=True)
class Bells:
    """[plugin.bells], by an author who did not think of unknown keys."""

    strokes: int = 3
    clapper: Clapper = field(default_factory=Clapper)


def test_a_plugins_settings_forbid_unknown_keys_without_saying_so() -> None:
    with pytest.raises(ConfigurationError) as refused:
        check_dataclass(Bells, {"stroks": 3, "clapper": {"wieght": 2}, "strokes": "many"}, "plugin.bells")
    first, second, third = refused.value.problems
    assert first == "plugin.bells.stroks: unknown key; did you mean 'strokes'?"
    assert second == "plugin.bells.clapper.wieght: unknown key; did you mean 'weight'?"
    assert third.startswith("plugin.bells.strokes: ")
    assert check_dataclass(Bells, {"strokes": 4, "clapper": {"weight": 2}}) == Bells(4, Clapper(2))


@dataclass(frozen=True)
class Tower:
    """Settings of every plain type."""

    name: str
    steps: int = 1
    height: float = 1.5
    open: bool = False
    rings: tuple[str, ...] = ()
    bells: Mapping[str, Bells] = field(default_factory=dict)
    more: Any = None


def test_what_is_written_plainly_is_read_as_pydantic_reads_it() -> None:
    written = {"name": "钟楼", "steps": 9, "height": 2.0, "open": True, "rings": ["早", "晚"], "more": [1]}
    written["bells"] = {"大": {"strokes": 2, "clapper": {"weight": 5}}}
    assert _as_written(Tower, written) == TypeAdapter(Tower).validate_python(written) != Tower("钟楼")
    for value in (
        {"steps": "9"},
        {"steps": True},
        {"height": 2},
        {"open": 1},
        {"rings": "早"},
        {"bells": []},
        {"nmae": 1},
    ):
        with pytest.raises(_NotPlain):
            _as_written(Tower, {"name": "钟楼", **value})
    with pytest.raises(_NotPlain):
        _as_written(Tower, {})
