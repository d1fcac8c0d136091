"""The `yetan` command: what it does, and a sentence instead of a traceback for whatever is wrong."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tortoise.backends.base.executor import EXECUTOR_CACHE

from yetan import cli
from yetan.spreadsheets import write_csv, write_xlsx

SANMING = Path(__file__).parents[2] / "deployments" / "sanming"
CITY = """
plugins = ["whoosh", "lantern"]
search = "whoosh"
theme = "lantern"
secret_key = "0123456789012345678901234567890123456789"

[city]
name = "柳湾市"

[unit_kinds.city]
label = "市"

[unit_kinds.village]
label = "村"
raises = true
"""
UNITS = [("city", "柳湾市", "市", ""), ("village", "溪尾村", "村", "city")]
HEADINGS = ("编号", "标题", "内容", "反映时间", "答复", "反映人", "联系电话", "单位")
GOOD = ("A1", "路灯不亮", "村口路灯坏了。", "2026-03-01 08:00:00", "已经换好。", "柳三变", "13800001234", "溪尾村")
SECOND = ("A2", "桥面破了", "老桥破了个洞。", "2026-03-02 08:00:00", "", "林见青", "", "")
BAD = ("A3", "路面积水", "下雨积水。", "2026-03-03", "", "", "", "没有的村")


@dataclass
class Said:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str


Command = Callable[..., Said]


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("YETAN_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run the command as a shell would: `run("check", "--config", path)`."""

    def go(*arguments: object) -> Said:
        # Tortoise keeps statements by table alone, in the dialect of the database it saw first.
        EXECUTOR_CACHE.clear()
        monkeypatch.setattr("sys.argv", ["yetan", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return Said(int(ended.value.code or 0), out, err)

    return go


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to be filled once with an upgraded city and its units; for copying alone."""
    return tmp_path_factory.mktemp("founded") / "city"


@pytest.fixture
def city(founded: Path, tmp_path: Path, run: Command) -> Path:
    """The yetan.toml of a city of one village, upgraded, with its units."""
    if not founded.exists():
        made = write(founded / "yetan.toml", CITY)
        (founded / "units.csv").write_bytes(write_csv(("编码", "名称", "类型", "上级编码"), UNITS))
        assert run("db", "upgrade", "--config", made).code == 0
        assert run("import", "units", founded / "units.csv", "--config", made).code == 0
    shutil.copytree(founded, tmp_path / "city")
    return tmp_path / "city" / "yetan.toml"


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def ledger(city: Path, *rows: Sequence[Any]) -> Path:
    path = city.parent / "台账.xlsx"
    path.write_bytes(write_xlsx(HEADINGS, rows))
    return path


def held(city: Path, query: str) -> list[tuple[Any, ...]]:
    """What the city's database holds."""
    connection = sqlite3.connect(city.parent / "var" / "yetan.sqlite3")
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def change(city: Path, statement: str) -> None:
    """Change the city's database behind its back."""
    connection = sqlite3.connect(city.parent / "var" / "yetan.sqlite3")
    try:
        connection.execute(statement)
        connection.commit()
    finally:
        connection.close()


def numbers(city: Path) -> list[str]:
    return [row[0] for row in held(city, "SELECT source_number FROM yetan_issue ORDER BY source_number")]


# Configuration


@pytest.mark.parametrize(
    "command", ["check", "db upgrade", "serve --heart 0", "issues graph", "plugin list", "search rebuild"]
)
def test_a_configuration_that_is_not_there_is_said_by_every_command(run: Command, tmp_path: Path, command: str) -> None:
    said = run(*command.split(), "--config", tmp_path / "none.toml")
    assert said.code == 2
    assert f"找不到配置文件 {tmp_path / 'none.toml'}" in said.err
    assert "yetan init" in said.err


def test_everything_wrong_is_said_at_once_with_what_was_meant(run: Command, tmp_path: Path) -> None:
    text = CITY.replace("name =", "nmae =") + "\n[servr]\nport = 1\n[server]\nport = 'x'\n"
    said = run("check", "--config", write(tmp_path / "yetan.toml", text))
    assert said.code == 2
    for problem in ("city.nmae: unknown key; did you mean 'name'?", "servr: unknown key", "server.port: "):
        assert problem in said.err


def test_plugins_rules_and_settings_that_do_not_fit_are_said(run: Command, tmp_path: Path) -> None:
    missing = write(
        tmp_path / "missing.toml", CITY.replace('"lantern"]', '"lantren"]').replace('theme = "lantern"', "")
    )
    assert "'lantren' is not installed; did you mean 'lantern'?" in run("plugin", "list", "--config", missing).err
    rules = write(tmp_path / "rules.toml", CITY + '\n[rules]\n"issue.longest_day" = 3\n"issue.remind_days" = 0\n')
    said = run("issues", "graph", "--config", rules)
    assert said.code == 2
    assert "did you mean 'issue.longest_days'?" in said.err
    assert "rules.issue.remind_days: 0 is not allowed" in said.err


@pytest.mark.parametrize("command", [("check",), ("db", "upgrade"), ("init",), ("demo", "--no-serve")])
def test_a_data_folder_that_cannot_be_is_said(
    run: Command, tmp_path: Path, command: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("YETAN_DATA_DIR", str(tmp_path / "file" / "data"))
    config = write(tmp_path / "yetan.toml", CITY if command[0] in ("check", "db") else CITY.replace("secret_key", "#"))
    said = run(*command, "--config", config)
    assert said.code in (1, 2)
    assert str(tmp_path / "file") in said.err


def test_a_database_that_was_not_upgraded_is_said(run: Command, tmp_path: Path) -> None:
    said = run("check", "--config", write(tmp_path / "yetan.toml", CITY))
    assert said.code == 2
    assert "yetan db upgrade" in said.err


def test_a_first_configuration_is_written_once_with_a_secret_for_its_owner_alone(run: Command, tmp_path: Path) -> None:
    config = tmp_path / "new" / "yetan.toml"
    assert run("init", "--config", config).code == 0
    key = tmp_path / "new" / "var" / "secret_key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    before = (config.read_bytes(), key.read_bytes())
    assert len(before[1]) >= 32
    assert run("init", "--config", config).code == 0
    assert (config.read_bytes(), key.read_bytes()) == before
    assert run("issues", "graph", "--config", config).code == 0, "what it writes can be started from"


# The database, looking around


def test_upgrading_again_changes_nothing(run: Command, city: Path) -> None:
    before = held(city, "SELECT name, sql FROM sqlite_master ORDER BY name")
    said = run("db", "upgrade", "--config", city)
    assert (said.code, said.out) == (0, "数据库已经是最新的。\n")
    assert held(city, "SELECT name, sql FROM sqlite_master ORDER BY name") == before


def test_check_ends_with_one_where_something_is_damaged(run: Command, city: Path) -> None:
    said = run("check", "--config", city)
    assert said.code == 0, "an empty footer is to be filled, but no damage"
    assert "todo  footer: 没有填：organiser" in said.out
    footer = ("organiser", "operator", "site_code", "icp", "police_record", "editor", "error_report")
    given = "".join(f'{name} = "填好了"\n' for name in footer) + 'calendar = "days.csv"\n'
    write(city, CITY.replace("[city]\n", "[city]\n" + given))
    this_year = datetime.now(UTC).year
    days = [(f"{year}-{day}", "休", "") for year in (this_year, this_year + 1) for day in ("01-01", "05-01", "10-01")]
    (city.parent / "days.csv").write_bytes(write_csv(("日期", "类型", "名称"), days))
    said = run("check", "--config", city)
    assert (said.code, [line for line in said.out.splitlines() if not line.startswith("ok")]) == (0, [])
    change(city, "DROP INDEX yetan_issue_state")
    said = run("check", "--config", city)
    assert said.code == 1
    assert "yetan_issue：缺少索引 (state, raised_at, id)" in said.out


def test_the_graph_names_every_state_and_guard(run: Command, city: Path) -> None:
    said = run("issues", "graph", "--config", city)
    assert said.code == 0
    for word in ("reported", "struck_off", "strike_off", "residents_accepted"):
        assert word in said.out


def test_where_a_template_comes_from(run: Command, city: Path) -> None:
    own = write(city.parent / "templates" / "base.html", "own")
    said = run("templates", "which", "base.html", "--config", city)
    assert said.out.splitlines()[0] == str(own)
    assert said.out.splitlines()[-1].endswith("core/yetan/templates/base.html")
    said = run("templates", "which", "core:base.html", "--config", city)
    assert [line.endswith("core/yetan/templates/base.html") for line in said.out.splitlines()] == [True]
    said = run("templates", "which", "nothing.html", "--config", city)
    assert (said.code, "nothing.html" in said.err) == (1, True)
    assert "'public/record.html'" in run("templates", "which", "public/recrod.html", "--config", city).err


def test_plugins_are_listed_in_the_one_order(run: Command, city: Path) -> None:
    lines = run("plugin", "list", "--config", city).out.splitlines()
    assert [line.split()[0] for line in lines] == ["whoosh", "lantern"]
    assert lines[1].endswith("正常")
    change(
        city,
        "INSERT INTO yetan_plugin_time "
        "(plugin, call, day, calls, failures, seconds, slowest, held, longest, blocked) "
        "VALUES ('lantern', 'panel x', date('now', '+8 hours'), 3, 1, 0.75, 0.5, 0.25, 0.125, 0)",
    )
    told = run("plugin", "list", "--config", city).out.splitlines()[-1]
    assert told.strip() == "panel x  3 次，合计 0.750，最长 0.500，独占最长 0.125，出错 1 次"
    city.write_text(city.read_text(encoding="utf-8").replace('"lantern"', '"lantren"'), encoding="utf-8")
    assert "lantren  没有启动" in run("plugin", "list", "--config", city).out


def test_a_plugin_in_quarantine_is_listed_with_why_and_released(run: Command, city: Path) -> None:
    change(
        city,
        "INSERT INTO yetan_quarantine (plugin, since, call, error) "
        "VALUES ('lantern', '2026-05-06 01:00:00+00:00', 'panel x', 'RuntimeError: no clapper')",
    )
    whoosh, lantern = run("plugin", "list", "--config", city).out.splitlines()
    assert whoosh.endswith("  正常")
    assert "已停用（2026-05-06 09:00 起，panel x：RuntimeError: no clapper）" in lantern
    assert run("plugin", "release", "lantern", "--config", city).code == 0
    assert "正常" in run("plugin", "list", "--config", city).out.splitlines()[1]
    said = run("plugin", "release", "lantern", "--config", city)
    assert (said.code, "没有停用" in said.err) == (1, True)
    said = run("plugin", "uninstall", "lantern", "--config", city)
    assert (said.code, "还在启用" in said.err) == (1, True)
    said = run("serve", "--heart", 0, "--safe-mode", "--keep", "lantren", "--config", city)
    assert (said.code, "'lantren'" in said.err) == (2, True)


def test_the_index_is_rebuilt(run: Command, city: Path) -> None:
    run("import", "issues", ledger(city, GOOD, SECOND), "--publish", "--config", city)
    said = run("search", "rebuild", "--config", city)
    assert said.code == 0
    assert "4" in said.out, "two matters, and their two faces on the board"


def test_a_worker_beside_an_embedded_database_is_refused(run: Command, city: Path) -> None:
    said = run("worker", "--heart", "0", "--config", city)
    assert said.code == 2
    assert "yetan serve" in said.err


def test_dead_letters_are_tried_again(run: Command, city: Path) -> None:
    run("import", "issues", ledger(city, GOOD), "--config", city)
    change(city, "UPDATE yetan_delivery SET state = 'dead', error = 'it broke' WHERE subscriber = 'core.board'")
    said = run("events", "replay", "--config", city)
    assert said.code == 0
    assert "core.board" in said.out
    assert held(city, "SELECT count(*) FROM yetan_delivery WHERE state = 'dead'") == [(0,)]


def test_a_subscriber_that_came_late_is_sent_what_it_missed_once(run: Command, city: Path) -> None:
    run("import", "issues", ledger(city, GOOD), "--config", city)
    change(city, "DELETE FROM yetan_delivery WHERE subscriber = 'core.board'")
    assert "core.board：正在路上 0 条，送不到 0 条" in run("events", "list", "--config", city).out
    assert "有 2 件" in run("events", "history", "core.board", "--dry-run", "--config", city).out
    assert "2 件会送给" in run("events", "history", "core.board", "--config", city).out
    assert "core.board：正在路上 2 条，送不到 0 条" in run("events", "list", "--config", city).out
    again = run("events", "history", "core.board", "--since", "2020-01-01", "--config", city)
    assert "0 件会送给" in again.out
    unknown = run("events", "history", "core.bord", "--config", city)
    assert unknown.code == 1
    assert "core.bord" in unknown.err


# Importing


def test_a_preview_writes_nothing(run: Command, city: Path) -> None:
    said = run("import", "issues", ledger(city, GOOD, SECOND), "--dry-run", "--config", city)
    assert said.code == 0
    assert "要写入 2 件" in said.out
    assert "什么都没有写入" in said.out
    assert numbers(city) == []


def test_with_a_bad_row_nothing_is_written(run: Command, city: Path) -> None:
    said = run("import", "issues", ledger(city, GOOD, BAD), "--config", city)
    assert said.code == 1
    assert "单位表里没有这个单位" in said.err
    assert "--skip-bad" in said.err
    assert numbers(city) == []
    assert not list(city.parent.glob("*未导入*"))


def test_the_rest_is_written_and_the_refused_saved_to_be_mended(run: Command, city: Path) -> None:
    said = run("import", "issues", ledger(city, GOOD, BAD), "--skip-bad", "--config", city)
    assert said.code == 0
    assert numbers(city) == ["A1"]
    refused = city.parent / "台账-未导入.xlsx"
    assert refused.is_file()
    again = run("import", "issues", refused, "--config", city)
    assert again.code == 1
    assert "单位表里没有这个单位" in again.err


def test_importing_again_adds_nothing(run: Command, city: Path) -> None:
    run("import", "issues", ledger(city, GOOD, SECOND), "--publish", "--config", city)
    said = run("import", "issues", ledger(city, GOOD, SECOND), "--publish", "--config", city)
    assert said.code == 0
    assert "已经在库里的 2 件" in said.out
    assert numbers(city) == ["A1", "A2"]
    assert held(city, "SELECT count(*) FROM yetan_public_issue") == [(2,)]


def test_rows_that_name_no_unit_go_to_the_one_named(run: Command, city: Path) -> None:
    run("import", "issues", ledger(city, SECOND), "--unit", "溪尾村", "--config", city)
    assert held(city, "SELECT code FROM yetan_unit JOIN yetan_issue i ON i.unit_id = yetan_unit.id") == [("village",)]
    said = run("import", "issues", ledger(city, GOOD), "--unit", "没有的村", "--config", city)
    assert said.code == 1
    assert "没有叫“没有的村”的单位" in said.err


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("没有.xlsx", None, "读不了文件"),
        ("坏的.xlsx", b"PK\x03\x04 a broken archive", "坏的.xlsx"),
        ("别的.csv", "天气,心情\n晴,好\n".encode(), "没有找到这些列：“编号”"),
    ],
)
def test_a_file_that_is_no_ledger_is_said(
    run: Command, city: Path, name: str, content: bytes | None, said: str
) -> None:
    path = city.parent / name
    if content is not None:
        path.write_bytes(content)
    answer = run("import", "issues", path, "--config", city)
    assert answer.code == 1
    assert said in answer.err
    assert numbers(city) == []


def test_a_mapping_file_names_a_towns_own_columns(run: Command, city: Path) -> None:
    path = city.parent / "own.csv"
    path.write_bytes(write_csv(("工单流水", "说了什么", "反映时间"), [("W1", "灯坏了。", "2026-03-01")]))
    assert run("import", "issues", path, "--config", city).code == 1
    mapping = write(city.parent / "mapping.toml", '"工单流水" = "source_number"\n"说了什么" = "text"\n')
    assert run("import", "issues", path, "--mapping", mapping, "--config", city).code == 0
    assert numbers(city) == ["W1"]
    assert run("import", "issues", path, "--mapping", city.parent / "none.toml", "--config", city).code == 1


def test_units_and_categories_come_in_and_wrong_tables_do_not(run: Command, city: Path) -> None:
    path = city.parent / "units.csv"
    path.write_bytes(write_csv(("编码", "名称", "类型", "上级编码"), [*UNITS, ("new", "新村", "村", "city")]))
    assert "新增 1 个单位" in run("import", "units", path, "--config", city).out
    path.write_bytes(write_csv(("编码", "名称", "类型", "上级编码"), [*UNITS, ("bad", "坏村", "王国", "nowhere")]))
    said = run("import", "units", path, "--config", city)
    assert said.code == 1
    assert "没有这种单位类型" in said.err
    assert held(city, "SELECT count(*) FROM yetan_unit") == [(3,)]
    assert run("import", "categories", SANMING / "categories.csv", "--config", city).code == 0
    assert held(city, "SELECT count(*) FROM yetan_category")[0][0] > 20


# Accounts and persons


def test_the_first_administrator_gets_a_link_that_signs_in_once(run: Command, city: Path) -> None:
    """C40."""
    said = run("user", "create", "boss", "--name", "顾衡", "--config", city)
    assert said.code == 0
    assert said.out.startswith("http://127.0.0.1:8000/sign-in/")
    assert held(city, "SELECT role, password_hash FROM yetan_post JOIN yetan_account a ON a.id = account_id") == [
        ("administrator", "")
    ]
    link = run("user", "link", "boss", "--config", city)
    assert link.code == 0
    assert link.out != said.out
    assert run("user", "create", "boss", "--name", "另一个", "--config", city).code == 1
    assert "没有“nobody”这个账号" in run("user", "link", "nobody", "--config", city).err
    refused = run("user", "create", "other", "--name", "别人", "--role", "king", "--config", city)
    assert (refused.code, "没有“king”这个角色" in refused.err) == (1, True)
    assert held(city, "SELECT count(*) FROM yetan_account") == [(1,)]


def test_a_person_is_exported_and_erased(run: Command, city: Path) -> None:
    """C73, C74."""
    run("import", "issues", ledger(city, GOOD), "--publish", "--config", city)
    ((person,),) = held(city, "SELECT id FROM yetan_person")
    file = city.parent / "person.json"
    assert run("person", "export", person, "--file", file, "--config", city).code == 0
    assert json.loads(file.read_text("utf-8"))["yetan_person"][0]["name"] == "柳三变"
    assert "13800001234" in run("person", "export", person, "--config", city).out
    said = run("person", "export", person, "--file", city.parent / "nowhere" / "person.json", "--config", city)
    assert (said.code, "nowhere" in said.err) == (1, True)
    assert run("person", "erase", person, "--yes", "--config", city).code == 0
    assert held(city, "SELECT name, phone FROM yetan_person") == [("", "")]
    assert run("person", "export", person, "--config", city).code == 1
    assert run("person", "export", 999, "--config", city).code == 1
    actions = [row[0] for row in held(city, "SELECT action FROM yetan_audit_record ORDER BY id")]
    assert actions.count("person.export") >= 2
    assert actions.count("person.erase") == 1
