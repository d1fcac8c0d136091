"""`yetan plugin new`: a plugin to begin with, made from the files beside this module.

They are Jinja2 templates in double square brackets, so that templates of pages can be among them; NAME in a path is
the plugin's name.
"""

from __future__ import annotations

import keyword
import pkgutil
import re
import sys
from collections.abc import Iterator
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from jinja2 import Environment, StrictUndefined

import yetan
from yetan import core_hooks
from yetan.errors import Refused
from yetan.plugins import discovery
from yetan.plugins.registry import API_VERSION

_SUFFIX = ".jinja"
_LONGEST = 30
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
#: What would end a string, or begin something else, in one of the files.
_UNFIT = re.compile(r"[\"'\\<>{}\[\]\x00-\x1f]")


def new_plugin(name: str, title: str, into: Path) -> Path:
    """Write the package of a plugin `name`, which people call `title`, below the folder `into`; returns its folder.

    Raises `Refused` with all that is wrong with the names; nothing that is there is written over.
    """
    package = f"yetan_{name}"
    distribution = package.replace("_", "-")
    folder = into / distribution
    problems = [*_problems_of_name(name), *_problems_of_title(title)]
    if folder.exists():
        problems.append(f"{folder} 已经有了。请换一个名字，或者用 --into 放到别处。")
    if problems:
        raise Refused("\n".join(problems))
    words = {
        "name": name,
        "title": title,
        "package": package,
        "distribution": distribution,
        "english": name.replace("_", " ").capitalize(),
        "requires_api": _range(),
    }
    for path, content in _written(words):
        target = folder / path.replace("NAME", name)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content, encoding="utf-8")
    return folder


def _problems_of_name(name: str) -> Iterator[str]:
    """Why a plugin cannot be called so."""
    if not _NAME.fullmatch(name) or len(name) > _LONGEST or keyword.iskeyword(name):
        yield f"名字“{name}”不行：用小写英文字母、数字和下划线，字母开头，最多 {_LONGEST} 个字，比如 weekend_clinics。"
        return
    if name in discovery.installed() or find_spec(f"yetan_{name}") is not None:
        yield f"名字“{name}”已经有插件用了。请换一个。"
    elif name in _words_of_the_core():
        yield f"名字“{name}”夜谈自己在用，地址或权限会撞上。请换一个，比如 {name}_plus。"
    elif name in sys.stdlib_module_names:
        yield f"名字“{name}”是 Python 自带的模块名。请换一个，比如 town_{name}。"


def _words_of_the_core() -> set[str]:
    """Every word of its modules, addresses, permissions, events, rules and jobs."""
    found = {module.name for module in pkgutil.iter_modules(yetan.__path__)}
    for hook, contributed in vars(core_hooks).items():
        if hook.startswith("yetan_"):
            for each in contributed():
                found.update(re.findall(r"[a-z_]+", f"{getattr(each, 'name', '')} {getattr(each, 'path', '')}"))
    return found


def _problems_of_title(title: str) -> Iterator[str]:
    if not title.strip() or len(title) > _LONGEST or _UNFIT.search(title):
        yield f"叫法“{title}”不行：写 1 到 {_LONGEST} 个字，不用引号、括号和反斜杠，比如 周末义诊。"


def _range() -> str:
    """The versions of `yetan.api` up to the next that may break."""
    first, second, *_ = (int(part) for part in API_VERSION.split("."))
    return f">={API_VERSION},<{f'0.{second + 1}' if first == 0 else first + 1}"


def _written(words: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Each file's path below the folder, and what stands in it."""
    environment = Environment(
        variable_start_string="[[",
        variable_end_string="]]",
        block_start_string="[%",
        block_end_string="%]",
        comment_start_string="[#",
        comment_end_string="#]",
        keep_trailing_newline=True,
        undefined=StrictUndefined,
        autoescape=False,
    )
    root = Path(str(files(__name__))) / "files"
    for path in sorted(root.rglob(f"*{_SUFFIX}")):
        content = environment.from_string(path.read_text(encoding="utf-8")).render(words)
        yield str(path.relative_to(root)).removesuffix(_SUFFIX), content
