"""Writes the pages that are made of the code: hooks, the names of `yetan.api`, templates, the rules of `plugin check`.

python docs/reference.py          # says whether the page is what it should be
python docs/reference.py --write  # writes it
"""

from __future__ import annotations

import argparse
import ast
import dataclasses
import inspect
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

from tortoise import Model

from yetan import api, hookspecs
from yetan.config import Configuration
from yetan.fields import fields_of
from yetan.plugins.checks import column_names
from yetan.plugins.quality import LEVELS, RULES
from yetan.records.kind import RecordKind
from yetan.web.forms import FieldKind

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "plugins"
#: Where implementations are looked for, what is best to read first.
SOURCES = ("docs/examples", "plugins", "search_index", "themes", "core")

_INTRODUCTION = """\
# Hooks

Generated from `yetan.hookspecs` by `docs/reference.py`.

**When.** All hooks are called once, when the city starts and whenever a command opens it. They are plain functions that
return frozen structs; these hold the async functions that the core calls later, each through the guard: by
itself, timed, with an end, told by the plugin's name. What is like one of them but for a field is made with
`msgspec.structs.replace`, not that of dataclasses; records of your own may be either.

**Order.** The core's contributions come first, then those of the plugins as yetan.toml lists them, after sorting by
`depends_on`. Where contributions have a `position`, they are sorted by it first, and by this order within it. A name
that is taken refuses the start and names both plugins.

**Signature.** A hook's implementation may leave parameters out, and may not add any. A misspelt hook refuses the start
and is told what was probably meant.
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Hook:
    """A hook, with the class of what it returns and where it is implemented."""

    name: str
    function: Any
    returns: type[Any]
    implementations: tuple[tuple[Path, str], ...]


def hooks() -> list[Hook]:
    """Every hook, in the order of the module."""
    found = implementations()
    known = {"Configuration": Configuration, "RecordKind": RecordKind}
    return [
        Hook(name, function, _element(get_type_hints(function, vars(hookspecs) | known)["return"]), tuple(found[name]))
        for name, function in vars(hookspecs).items()
        if name.startswith("yetan_")
    ]


def implementations() -> dict[str, list[tuple[Path, str]]]:
    """By hook: the files that implement it with the source of each, what is best to read first."""
    # Hooks that plugins offer to each other are theirs to tell.
    found: dict[str, list[tuple[Path, str]]] = defaultdict(list)
    for folder in SOURCES:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if path.name == "hookspecs.py" or "scaffold" in path.parts:
                continue
            source = path.read_text(encoding="utf-8")
            for name, text in _implemented(source) if "hookimpl" in source else ():
                found[name].append((path, text))
    return found


def _implemented(source: str) -> Iterator[tuple[str, str]]:
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("yetan_") and node.decorator_list:
            lines = source.splitlines()[node.decorator_list[0].lineno - 1 : node.end_lineno]
            yield node.name, "\n".join(lines)


def _element(annotation: Any) -> type[Any]:
    """What a hook gives: the element of a Sequence, or what stands beside None."""
    element: type[Any] = next(each for each in get_args(annotation) if each is not type(None))
    return element


def pages() -> dict[Path, str]:
    """Each page with what it should say."""
    return {
        FOLDER / "hooks.md": hook_page(),
        FOLDER / "api.md": api_page(),
        FOLDER / "templates.md": template_page(),
        FOLDER / "quality.md": quality_page(),
    }


_API = """\
# yetan.api

Generated from `yetan.api` by `docs/reference.py`. All that a plugin imports stands here, and in
[hooks](hooks.md) what hooks return. `from yetan.api import ...` is the only import of Yetan that a plugin makes.
"""

#: What belongs together; what is named nowhere comes last.
_TOGETHER = {
    "A plugin": ("Plugin", "hookimpl", "API_VERSION", "ConfigurationError"),
    "What is kept": ("Record", "UnitRecord", "Privacy", "Sum", "PublicRecord", "published"),
    "Pages and forms": (
        "Request",
        "Field",
        "Form",
        "submit",
        "NotDone",
        "CONSENT",
        "require_consent",
        "VERSION_FIELD",
        "drawn_number",
        "clean",
        "attempt",
        "translate",
        "message_ids",
    ),
    "Refusals": ("YetanError", "Invalid", "Refused", "Conflict", "NotFound", "Forbidden", "TooMany"),
    "Who acts, and what they may": (
        *("Act", "Actor", "ANONYMOUS", "SYSTEM", "visible", "may", "require", "holds", "granted_units"),
        *("accounts_in", "posts_on"),
    ),
    "Changes": ("change", "emit", "Event", "notify", "Message", "set_due", "record", "add_to_counters", "CounterKey"),
    "The city": ("current", "Runtime", "Clock", "value_of", "month_of", "ancestors_of", "subtree_of"),
    "Rows of the core": ("Issue", "Unit", "Person", "Account", "Post", "Link", "Household"),
}


def api_page() -> str:
    """The names of `yetan.api` that are no hook's return."""
    known = {hook.returns.__name__ for hook in hooks()}
    rest = [name for name in api.__all__ if name not in known and not any(name in each for each in _TOGETHER.values())]
    parts = [_API]
    for title, names in {**_TOGETHER, "Search, and others": rest}.items():
        parts.append(f"## {title}\n")
        parts += [_name(name, getattr(api, name)) for name in names if name not in known]
    return "\n".join(parts).rstrip() + "\n"


def _name(name: str, value: Any) -> str:
    if isinstance(value, type) and issubclass(value, Model):
        return "\n".join([f"({name})=", f"### {name}", "", inspect.getdoc(value) or "", "", *_columns(value), ""])
    if inspect.isclass(value) and value.__module__.startswith("yetan"):
        return _class(value, 3)
    if inspect.isfunction(value):
        signature = str(inspect.signature(value)).replace("'", "").replace("yetan.", "")
        awaited = "async " if inspect.iscoroutinefunction(value) else ""
        said = inspect.getdoc(value) or ""
        return "\n".join([f"### {name}", "", "```text", f"{awaited}{name}{signature}", "```", "", said, ""])
    said = f"`{value!r}`" if isinstance(value, str) else _OTHERS.get(name, "")
    return "\n".join([f"### {name}", "", said, ""])


_OTHERS = {
    "ANONYMOUS": "The `Actor` that is nobody in particular: a visitor who has not signed in.",
    "SYSTEM": "The `Actor` of jobs, subscribers and the operator's commands.",
    "hookimpl": "Marks a function of the module that `Plugin.hooks` names as an implementation of a hook.",
    "CONSENT": "What somebody agrees to who leaves a name or phone, as a field of the form: see `require_consent`.",
    "VERSION_FIELD": "The hidden field that says in which version somebody read what their form changes.",
    "CounterKey": '`(metric, unit, top category, month)`: category 0: all; month `""` all time, or as in `2026-11`.',
    "Clock": "A function that gives the present instant, aware and in UTC.",
    "Facet": "One of `FACETS`.",
    "FACETS": "What results can be counted and narrowed by.",
}


def _columns(model: type[Any]) -> list[str]:
    """A table of a model's columns with their tags, of a base those of all that are made of it."""
    if model._meta.abstract:
        return [f"Columns: {', '.join(f'`{name}`' for name in sorted(model._meta.fields_map))}."] * bool(
            model._meta.fields_map
        )
    tags = model.privacy.tags()
    return ["| column | tag |", "|---|---|", *(f"| `{name}` | {tags[name]} |" for name in sorted(column_names(model)))]


TEMPLATES = ROOT / "core" / "yetan" / "templates"
_TEMPLATES = """\
# Templates

Generated from `core/yetan/templates` by `docs/reference.py`. Templates are [Jinja](https://jinja.palletsprojects.com)'s,
autoescaped; a name that is not there fails the page. Yours stand in `templates/<plugin>/` of your package. A page for
residents extends `base.html`, one of the desk `desk.html`; both have the blocks listed under them. The smallest page:

```html+jinja
{%- extends "base.html" -%}
{%- import "components.html" as c -%}
{% block title %}{{ _("约好了") }}{% endblock %}
{% block content %}
<h1>{{ _("约好了") }}</h1>
{% endblock %}
```

| in every template | what it is |
|---|---|
| `_("文字")` | the message in the reader's language; with values in it, `{% trans %}...{{ n }}...{% endtrans %}` |
| `url("haircuts.book", id=1)` | the address of a page by its name ([those of a kind of record](smallest.md)) |
| `csrf_field()`, `key_field()` | the two hidden fields of every form that changes something; `c.post_form` has them |
| `typed_form()` | in the tag of a form written by hand: a change of look keeps what was typed; `c.post_form` has it |
| `static("file.css")` | the address of a static file, with its hash |
| `actor`, `city`, `display` | who reads, what the city is called, how pages are shown |
| `x \\| number` | a grouped number |

`{%- import "components.html" as c -%}` gives the parts of pages: `{{ c.button(_("保存")) }}`, and those with a body as
`{% call c.section(_("措施")) %}...{% endcall %}`. The gallery of [components](../components.md) shows each and how
it is called; they stand in `core/yetan/templates/components.html`, each under a comment that tells what it takes.
"""

_BASES = """\
## Blocks

Every template of the core begins with a comment that tells what it is given; `yetan templates which public/record.html`
prints where one lies, and how yours takes its place is told [here](how-to/template.md). The blocks of those that pages
extend; `desk.html` has those of `base.html` as well:
"""


def template_page() -> str:
    """What templates may use, and the blocks of what pages extend."""
    parts = [_TEMPLATES, _BASES]
    for name in ("base.html", "desk.html"):
        text = (TEMPLATES / name).read_text(encoding="utf-8")
        blocks = dict.fromkeys(re.findall(r"\{%-? block (\w+)", text))
        parts.append(f"- `{name}`: {', '.join(f'`{block}`' for block in blocks)}")
    return "\n".join(parts).rstrip() + "\n"


_QUALITY = """\
# Quality

Generated from `yetan.plugins.quality` by `docs/reference.py`.

`yetan plugin check` tells everything it finds at once, with what to do, and the level a plugin has: that whose rules,
and those of the levels below, all hold. Exit code 1 means that a rule of bronze is broken; `--json` is for machines.

- **bronze**: a city can switch it on and off again without harm.
- **silver**: its people are well served by it.
- **gold**: others can work on it.
"""


def quality_page() -> str:
    """The rules by level."""
    parts = [_QUALITY]
    for level in LEVELS:
        rows = [f"| `{rule.id}` | {rule.asks} | {rule.remedy} |" for rule in RULES if rule.level == level]
        parts.append("\n".join([f"## {level}", "", "| rule | asks | what to do |", "|---|---|---|", *rows, ""]))
    return "\n".join(parts).rstrip() + "\n"


def hook_page() -> str:
    """The hooks."""
    known = hooks()
    parts = [_INTRODUCTION]
    parts += [_hook(hook) for hook in known]
    parts.append("# What hooks return\n")
    parts += [_class(each) for each in dict.fromkeys(hook.returns for hook in known)]
    return "\n".join(parts).rstrip() + "\n"


def _hook(hook: Hook) -> str:
    signature = f"{hook.name}{inspect.signature(hook.function)}".replace("'", "").replace("yetan.", "")
    users = [_user(path) for path, _ in hook.implementations]
    lines = [
        f"({hook.name})=",
        f"## {hook.name}",
        "",
        "```python",
        signature,
        "```",
        "",
        inspect.getdoc(hook.function) or "",
        "",
        f"- Returns: [{hook.returns.__name__}](#{hook.returns.__name__}).",
        "- Called: "
        + (
            "of the plugin that `search` names, and of no other; the first answer counts."
            if _first_result(hook.function)
            else "of the core and of every enabled plugin, in the one order."
        ),
        f"- Used by: {', '.join(dict.fromkeys(users))}.",
    ]
    if hook.implementations:
        path, example = hook.implementations[0]
        lines += ["", f"From `{path.relative_to(ROOT)}`:", "", "```python", example, "```"]
    return "\n".join([*lines, ""])


def _first_result(function: Any) -> bool:
    return bool(getattr(function, "yetan_spec", {}).get("firstresult"))


def _user(path: Path) -> str:
    folder, *rest = path.relative_to(ROOT).parts
    if folder == "core":
        return "the core"
    package = next(part for part in rest if part.startswith("yetan_"))
    return f"`{package}`"


def _class(declared: type[Any], level: int = 2) -> str:
    lines = [f"({declared.__name__})=", f"{'#' * level} {declared.__name__}", "", inspect.getdoc(declared) or "", ""]
    if fields := fields_of(declared):
        remarks = _remarks(declared)
        lines += ["| field | type | unless given |", "|---|---|---|"]
        for field in fields:
            kind = str(field.type).replace("FieldKind", " | ".join(get_args(FieldKind))).replace("|", "\\|")
            lines.append(f"| `{field.name}` | `{kind}` | {_default(field)} |")
        lines += ["", *(f"`{name}`: {text}\n" for name, text in remarks.items())]
    else:
        for name, method in vars(declared).items():
            if inspect.isfunction(method) and not name.startswith("_"):
                awaited = "async " if inspect.iscoroutinefunction(method) else ""
                signature = f"{awaited}{name}{inspect.signature(method)}".replace("'", "")
                said = (inspect.getdoc(method) or "").replace("\n", "\n  ")
                lines += [f"`{signature}`", f": {said}", ""]
    return "\n".join(lines)


def _default(field: dataclasses.Field[Any]) -> str:
    if isinstance(field.default, frozenset):
        # As written, since a set has no order.
        return f"`{', '.join(sorted(field.default))}`" if field.default else ""
    if field.default is not dataclasses.MISSING:
        return f"`{field.default!r}`"
    return f"`{field.default_factory()!r}`" if field.default_factory is not dataclasses.MISSING else ""


def _remarks(declared: type[Any]) -> dict[str, str]:
    """By field, what its #: comment says."""
    found: dict[str, str] = {}
    said: list[str] = []
    for line in inspect.getsource(declared).splitlines():
        if remark := re.match(r"\s+#: ?(.*)", line):
            said.append(remark[1])
        elif field := re.match(r"    (\w+):", line):
            if said:
                found[field[1]] = " ".join(said)
            said = []
    return found


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python docs/reference.py", description=__doc__)
    parser.add_argument("--write", action="store_true")
    writing = parser.parse_args().write
    behind = [page for page, text in pages().items() if not page.is_file() or page.read_text("utf-8") != text]
    for page in behind:
        if writing:
            page.write_text(pages()[page], encoding="utf-8")
        else:
            print(f"{page.relative_to(ROOT)} is behind; run python docs/reference.py --write", file=sys.stderr)
    return 1 if behind and not writing else 0


if __name__ == "__main__":
    sys.exit(main())
