"""yetan.toml and the YETAN_* environment, as frozen dataclasses; all problems are reported at once."""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from yetan.errors import ConfigurationError
from yetan.i18n import LOCALES, message_ids
from yetan.spelling import nearest

#: How pydantic reads the dataclasses of this module.
_STRICT = {"extra": "forbid", "strict": False}


@dataclass(frozen=True)
class City:
    """The city and what its pages must carry. Empty footer fields are flagged by `yetan check`."""

    __pydantic_config__ = _STRICT

    name: str
    site_name: str = message_ids("居民夜谈会公开板")
    time_zone: str = "Asia/Shanghai"
    locale: str = "zh_Hans"
    #: The languages a reader may choose from.
    locales: tuple[str, ...] = tuple(LOCALES)
    units: str = "units.csv"
    categories: str = "categories.csv"
    calendar: str = ""
    hotline: str = ""
    organiser: str = ""
    operator: str = ""
    site_code: str = ""
    icp: str = ""
    police_record: str = ""
    editor: str = ""
    error_report: str = ""
    #: A font file with Chinese characters for the pictures beside shared links; "" looks for one on this machine.
    card_font: str = ""

    @property
    def zone(self) -> ZoneInfo:
        """The deployment's time zone: deadlines and nights are computed in it."""
        return ZoneInfo(self.time_zone)


@dataclass(frozen=True)
class UnitKind:
    """A kind of unit of this town (domain.md 3.0): levels are data, since towns differ."""

    __pydantic_config__ = _STRICT

    label: str
    department: bool = False
    #: Whether residents raise issues here (villages and communities, mostly).
    raises: bool = False


@dataclass(frozen=True)
class Server:
    """Where the site listens and under which address it is known."""

    __pydantic_config__ = _STRICT

    host: str = "127.0.0.1"
    port: int = 8000
    base_url: str = ""
    #: Hosts answered besides that of base_url.
    allowed_hosts: tuple[str, ...] = ()
    #: Addresses of proxies whose X-Forwarded-For is believed (C68).
    trusted_proxies: tuple[str, ...] = ()
    #: Addresses or networks that may read /metrics.
    metrics_readers: tuple[str, ...] = ("127.0.0.1", "::1")
    #: Minutes without a click, and hours in all, after which one has to sign in again (C37).
    session_idle_minutes: int = 60
    session_hours: int = 12


@dataclass(frozen=True)
class Desk:
    """How the staff desk behaves."""

    __pydantic_config__ = _STRICT

    #: For how long what was done to several issues at once may be taken back.
    undo_minutes: int = 10


@dataclass(frozen=True)
class Role:
    """A role of this town: a label and the permissions it adds to or takes from the declared ones."""

    __pydantic_config__ = _STRICT

    label: str = ""
    grants: tuple[str, ...] = ()
    revokes: tuple[str, ...] = ()


#: No six months are longer than this many days.
SIX_MONTHS = 184


@dataclass(frozen=True)
class Audit:
    """How long audit records are kept: by law at least six months (C80)."""

    __pydantic_config__ = _STRICT

    retention_days: int = 400


@dataclass(frozen=True)
class Configuration:
    """Everything a deployment decides, checked."""

    city: City
    folder: Path
    data_dir: Path
    database_url: str
    secret_key: str
    unit_kinds: Mapping[str, UnitKind]
    server: Server = field(default_factory=Server)
    desk: Desk = field(default_factory=Desk)
    audit: Audit = field(default_factory=Audit)
    plugins: tuple[str, ...] = ()
    theme: str = ""
    search: str = ""
    roles: Mapping[str, Role] = field(default_factory=dict)
    rules: Mapping[str, Any] = field(default_factory=dict)
    plugin: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    #: Plugins that the file names and this process left out: nothing is changed meanwhile (`--safe-mode`).
    left_out: tuple[str, ...] = ()

    def core_alone(self, keeping: Sequence[str] = ()) -> Configuration:
        """The same city without its plugins, but for those in `keeping`."""
        return replace(
            self,
            plugins=tuple(name for name in self.plugins if name in keeping),
            theme=self.theme if self.theme in keeping else "",
            search=self.search if self.search in keeping else "",
            plugin={name: values for name, values in self.plugin.items() if name in keeping},
            left_out=tuple(name for name in self.plugins if name not in keeping),
        )

    @property
    def base_url(self) -> str:
        """The address absolute links start with; never taken from a request (C18)."""
        return self.server.base_url.rstrip("/") or f"http://{self.server.host}:{self.server.port}"

    @property
    def is_sqlite(self) -> bool:
        """Whether the embedded database is used: one server process."""
        return self.database_url.startswith("sqlite")

    @property
    def secure(self) -> bool:
        """Whether the site is served over https."""
        return urlsplit(self.base_url).scheme == "https"


@dataclass(frozen=True)
class _Database:
    __pydantic_config__ = _STRICT
    url: str = ""


@dataclass(frozen=True)
class _Data:
    __pydantic_config__ = _STRICT
    dir: str = "var"


@dataclass(frozen=True)
class _File:
    """The file as written, before environment and paths are worked in."""

    __pydantic_config__ = _STRICT
    city: City
    unit_kinds: Mapping[str, UnitKind]
    server: Server = field(default_factory=Server)
    database: _Database = field(default_factory=_Database)
    data: _Data = field(default_factory=_Data)
    desk: Desk = field(default_factory=Desk)
    audit: Audit = field(default_factory=Audit)
    plugins: tuple[str, ...] = ()
    theme: str = ""
    search: str = ""
    roles: Mapping[str, Role] = field(default_factory=dict)
    rules: Mapping[str, Any] = field(default_factory=dict)
    plugin: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    secret_key: str = ""


def check_dataclass(kind: type[Any], values: Mapping[str, Any], path: str = "") -> Any:
    """`values` as an instance of the frozen dataclass `kind`.

    Raises `ConfigurationError` with every unknown key, wrong type and value out of range, each with its path in
    the TOML file and a suggestion where a known key is near.
    """
    # Where somebody has it already, there is nothing to spare.
    if "pydantic" not in sys.modules:
        with suppress(_NotPlain):
            return _as_written(kind, values)
    from pydantic import TypeAdapter, ValidationError

    problems = list(_unknown_keys(kind, values, path))
    try:
        checked = TypeAdapter(kind).validate_python(dict(values))
    except ValidationError as error:
        problems += [_problem(kind, item, path) for item in error.errors()]
    if problems:
        raise ConfigurationError(problems)
    return checked


class _NotPlain(Exception):  # noqa: N818 - not an error: pydantic takes it, or says what is wrong with it
    """A value that is not just what its type says, or a type with more to it."""


def _as_written(kind: Any, value: Any) -> Any:
    """`value` as `kind`, as pydantic would return it, where both are plain. Raises `_NotPlain` for all others.

    Most configurations are plain, and pydantic takes 6 MB and a tenth of a second of each start.
    """
    if kind is Any or (kind in (str, int, bool, float) and type(value) is kind):
        return value
    if get_origin(kind) is tuple and get_args(kind)[1:] == (...,) and type(value) is list:
        return tuple(_as_written(get_args(kind)[0], each) for each in value)
    if get_origin(kind) is Mapping and get_args(kind)[0] is str and isinstance(value, dict):
        return {key: _as_written(get_args(kind)[1], each) for key, each in value.items()}
    if not (isinstance(kind, type) and is_dataclass(kind)) or getattr(kind, "__pydantic_config__", _STRICT) != _STRICT:
        raise _NotPlain
    hints = get_type_hints(kind, include_extras=True)
    if not isinstance(value, Mapping) or not value.keys() <= {each.name for each in fields(kind)}:
        raise _NotPlain
    try:
        return kind(**{key: _as_written(hints[key], each) for key, each in value.items()})
    except (TypeError, ValueError) as error:
        raise _NotPlain from error


def _unknown_keys(kind: type[Any], values: Mapping[str, Any], path: str) -> Iterator[str]:
    """The keys that a dataclass would silently leave out, which does not itself forbid them."""
    if hasattr(kind, "__pydantic_config__"):
        return
    hints = get_type_hints(kind)
    names = [each.name for each in fields(kind)]
    for key, value in values.items():
        where = f"{path}.{key}"
        if key not in names:
            yield _unknown_key(where, key, names)
        elif is_dataclass(hints[key]) and isinstance(value, Mapping):
            yield from _unknown_keys(hints[key], value, where)


def _unknown_key(where: str, key: str, names: Sequence[str]) -> str:
    near = nearest(key, names)
    return f"{where}: unknown key" + (f"; did you mean {near!r}?" if near else "")


def _problem(kind: type[Any], item: Mapping[str, Any], path: str) -> str:
    location = [str(part) for part in item["loc"] if not str(part).startswith("function-")]
    where = ".".join([*([path] if path else []), *location])
    if item["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        return _unknown_key(where, location[-1], _known_keys(kind))
    if item["type"] == "missing" or "missing" in item["type"]:
        return f"{where}: missing, and it has no default"
    return f"{where}: {item['msg']} (got {item['input']!r})"


def _known_keys(kind: type[Any]) -> list[str]:
    keys = [each.name for each in fields(kind)]
    for nested in (City, Server, UnitKind, Desk, Role, Audit, _Database, _Data):
        keys += [each.name for each in fields(nested)] if kind is _File else []
    return keys


def load_configuration(
    path: Path, environment: Mapping[str, str] | None = None, *, require_secret: bool = True
) -> Configuration:
    """Read `path`; YETAN_DATA_DIR, YETAN_DATABASE_URL, YETAN_SECRET_KEY(_FILE) and YETAN_BASE_URL win over it.

    Raises `ConfigurationError` naming every problem and what to do.
    """
    env = os.environ if environment is None else environment
    raw = _read(path)
    parsed: _File = check_dataclass(_File, raw)
    problems = _semantic_problems(parsed)
    folder = path.resolve().parent
    data_dir = (
        _resolve(Path.cwd(), env["YETAN_DATA_DIR"]) if env.get("YETAN_DATA_DIR") else _resolve(folder, parsed.data.dir)
    )
    server = parsed.server
    if base_url := env.get("YETAN_BASE_URL"):
        server = replace(server, base_url=base_url)
    if server.base_url and urlsplit(server.base_url).scheme not in ("http", "https"):
        problems.append(f"server.base_url: {server.base_url!r} is not an http(s) address")
    secret = _secret(env, parsed.secret_key, data_dir)
    if require_secret and len(secret) < 32:
        problems.append(
            "secret_key: missing or shorter than 32 characters; set YETAN_SECRET_KEY, YETAN_SECRET_KEY_FILE, "
            "or run `yetan init`, which writes one into the data folder"
        )
    if problems:
        raise ConfigurationError(problems)
    return Configuration(
        city=parsed.city,
        folder=folder,
        data_dir=data_dir,
        database_url=env.get("YETAN_DATABASE_URL") or parsed.database.url or f"sqlite://{data_dir}/yetan.sqlite3",
        secret_key=secret,
        unit_kinds=parsed.unit_kinds,
        server=server,
        desk=parsed.desk,
        audit=parsed.audit,
        plugins=parsed.plugins,
        theme=parsed.theme,
        search=parsed.search,
        roles=parsed.roles,
        rules=parsed.rules,
        plugin=parsed.plugin,
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigurationError(
            [f"找不到配置文件 {path}。请用 --config 指明它在哪里，或者在这里运行 yetan init 新建一份。"]
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError([f"{path}: cannot be read: {error}"]) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError([f"{path}: is not valid TOML: {error}"]) from None


def _semantic_problems(parsed: _File) -> list[str]:
    problems: list[str] = []
    try:
        ZoneInfo(parsed.city.time_zone)
    except (ZoneInfoNotFoundError, ValueError):
        problems.append(f"city.time_zone: {parsed.city.time_zone!r} is not a known time zone, such as 'Asia/Shanghai'")
    for locale in (each for each in parsed.city.locales if each not in LOCALES):
        problems.append(f"city.locales: {locale!r} is not one of {', '.join(LOCALES)}")
    if parsed.city.locale not in parsed.city.locales:
        problems.append(f"city.locale: {parsed.city.locale!r} is not in city.locales; add it there")
    if not parsed.unit_kinds:
        problems.append("unit_kinds: at least one kind of unit is needed, for example [unit_kinds.village]")
    server = parsed.server
    if not 1 <= server.port <= 65535:
        problems.append(f"server.port: {server.port} is no port; write one from 1 to 65535")
    for key, span in (
        ("session_idle_minutes", server.session_idle_minutes),
        ("session_hours", server.session_hours),
    ):
        if span < 1:
            problems.append(f"server.{key}: {span} would let nobody stay signed in; write 1 or more")
    if parsed.desk.undo_minutes < 0:
        problems.append(f"desk.undo_minutes: {parsed.desk.undo_minutes} is no time; write 0 or more minutes")
    if parsed.audit.retention_days < SIX_MONTHS:
        problems.append(
            f"audit.retention_days：{parsed.audit.retention_days} 天太短。法律要求日志至少保存六个月，"
            f"请写 {SIX_MONTHS} 或更大的数，或者不写（默认 {Audit().retention_days} 天）"
        )
    for key, name in (("theme", parsed.theme), ("search", parsed.search)):
        if name and name not in parsed.plugins:
            problems.append(f"{key}: {name!r} is not in plugins; add it there")
    for name in parsed.plugin:
        if name not in parsed.plugins:
            near = nearest(name, parsed.plugins)
            problems.append(
                f"plugin.{name}: configures a plugin that is not in plugins"
                + (f"; did you mean {near!r}?" if near else "")
            )
    doubled = sorted({name for name in parsed.plugins if parsed.plugins.count(name) > 1})
    problems += [f"plugins: {name!r} is listed twice" for name in doubled]
    return problems


def _secret(env: Mapping[str, str], written: str, data_dir: Path) -> str:
    if env.get("YETAN_SECRET_KEY"):
        return env["YETAN_SECRET_KEY"]
    for candidate in (env.get("YETAN_SECRET_KEY_FILE"), str(data_dir / "secret_key")):
        if candidate and Path(candidate).is_file():
            return Path(candidate).read_text(encoding="utf-8").strip()
    return written


def _resolve(base: Path, path: str) -> Path:
    return (base / path).resolve()
