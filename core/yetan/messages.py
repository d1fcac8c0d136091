"""Messages: what code and templates say to people, and what the catalogues beside them have for it.

A message is a sentence in Simplified Chinese, and found where it stands:

- in templates in `_("...")` and `{% trans %}`;
- in code in `_("...")`, `message_ids("...")`, in whatever is given to an error (`Refused("...")`) or to a declaration
  that has a label (`Field("owner", "责任人")`).

What is said with a `count` has a form for each number in languages that tell them apart. `yetan plugin messages` brings
a plugin's catalogues up to what it says; `python -m yetan.messages` does so for the core and for plugins named to it,
with words proposed for Traditional Chinese. The English ones are for a person to write.
"""

from __future__ import annotations

import ast
import re
import string
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po, write_po
from jinja2 import Environment, nodes

from yetan.errors import YetanError
from yetan.fields import field_names
from yetan.i18n import DEFAULT_LOCALE, LOCALES
from yetan.web.fragments import KeptParts

#: What marks a message in code and templates.
_MARKS = frozenset({"_", "translate", "message_ids", "gettext"})
#: The same for two forms given apart.
_COUNTED = frozenset({"translate_count", "ngettext"})
#: What of a declaration people read. Whatever has one of these is made with messages.
LABELS = frozenset({"label", "title", "hint", "text", "unit", "definition", "description"})
#: Chinese characters, and the punctuation that goes with them.
CHINESE = re.compile(r"[\u3000-\u303f\u3400-\u9fff\uff00-\uffef]")
#: Rules by their IDs, which are the same in every language.
_RULES = re.compile(r"\d{3}-\w+(、\d{3}-\w+)*")
#: What of the core speaks Chinese alone: to whoever runs a city,
OPERATORS = frozenset(
    {
        "audit/sealing.py",
        "backup",
        "cli",
        "db/applied.py",
        "db/upgrade.py",
        "demonstration",
        "health",
        "plugins/checking.py",
    }
    | {"plugins/examined.py", "plugins/quality.py"}
    | {"plugins/record.py", "plugins/removal.py", "plugins/source.py", "scaffold", "testing"}
)
#: and of the tables of a town, which are in Chinese themselves.
TABLES = frozenset(
    {
        "issues/categories.py",
        "issues/importing.py",
        "issues/ledger.py",
        "people/accounts_table.py",
        "people/households_table.py",
    }
    | {"searching/synonyms_table.py", "spreadsheets", "units/table.py"}
)

#: One form, or that for one and that for several.
MessageId = str | tuple[str, str]
#: Words proposed for a message, by locale.
Proposals = Mapping[str, Callable[[str], str]]


def said_in(folder: Path, without: Iterable[str] = ()) -> frozenset[MessageId]:
    """Every message of the code and the templates of a package, but of those files and folders."""
    code = _code_in(folder, without)
    makers = _makers_in(code.values())
    found = {message for tree in code.values() for message in _said_in_code(tree, makers)}
    for path in sorted(folder.rglob("*.html")):
        found.update(said_in_template(path))
    return frozenset(each for each in found if _is_chinese(text := first_form(each)) or places(text))


def unmarked_in(folder: Path, without: Iterable[str] = ()) -> Iterator[tuple[Path, int, str]]:
    """By file and line, the Chinese texts of a package's code and templates that are no messages."""
    code = _code_in(folder, without)
    makers = _makers_in(code.values())
    for path, tree in code.items():
        yield from ((path, line, text) for line, text in _unmarked_in_code(tree, makers))
    for path in sorted(folder.rglob("*.html")):
        yield from ((path, line, text) for line, text in unmarked_in_template(path))


def _is_chinese(text: str) -> bool:
    return CHINESE.search(text) is not None and _RULES.fullmatch(text) is None


def _code_in(folder: Path, without: Iterable[str]) -> Mapping[Path, ast.Module]:
    left_out = {"migrations", *without}
    paths = [path for path in sorted(folder.rglob("*.py")) if not left_out & set(_steps(path.relative_to(folder)))]
    return {path: ast.parse(path.read_text("utf-8")) for path in paths}


def _steps(path: Path) -> Iterator[str]:
    """The path and all the folders it lies in."""
    return (each.as_posix() for each in (path, *path.parents))


def first_form(message: MessageId) -> str:
    """The message itself, or its form for one."""
    return message if isinstance(message, str) else message[0]


def _said_in_code(tree: ast.Module, makers: frozenset[str]) -> Iterator[MessageId]:
    for name, given in _messages_given(tree, makers):
        texts = [str(literal.value) for argument in given for literal in literals(argument)]
        if name in _COUNTED:
            yield texts[0], texts[1]
        else:
            yield from texts


def _unmarked_in_code(tree: ast.Module, makers: frozenset[str]) -> Iterator[tuple[int, str]]:
    given = (argument for _, arguments in _messages_given(tree, makers) for argument in arguments)
    fine = {id(text) for argument in given for text in literals(argument)}
    fine |= {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    texts = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in fine]
    yield from ((each.lineno, each.value) for each in texts if isinstance(each.value, str) and _is_chinese(each.value))


def _messages_given(tree: ast.Module, makers: frozenset[str]) -> Iterator[tuple[str, Sequence[ast.expr]]]:
    """What is called with messages in a module, and what is given to it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (name := _name_of(node.func)) in _MARKS | _COUNTED | makers:
            yield name, [*node.args, *(keyword.value for keyword in node.keywords)]


def _name_of(called: ast.expr) -> str:
    """What is called: a function, a class, a class by one of its methods, or the class above."""
    if isinstance(called, ast.Attribute):
        above = isinstance(called.value, ast.Call) and _name_of(called.value.func) == "super"
        return YetanError.__name__ if above else called.value.id if isinstance(called.value, ast.Name) else ""
    return called.id if isinstance(called, ast.Name) else ""


def literals(node: ast.AST) -> Iterator[ast.Constant]:
    """The texts written in a piece of code; what is put together from parts ("f...") is none."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node
    elif not isinstance(node, ast.JoinedStr):
        for child in ast.iter_child_nodes(node):
            yield from literals(child)


def _makers_in(code: Iterable[ast.Module]) -> frozenset[str]:
    """The names of what is made with messages: errors, and declarations with labels, of `yetan.api` and of `code`."""
    found = set(_makers())
    classes = [node for tree in code for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    found |= {each.name for each in classes if LABELS & set(_columns(each))}
    while more := {each.name for each in classes if found & {_name_of(base) for base in each.bases}} - found:
        found |= more
    return frozenset(found)


@lru_cache(maxsize=1)
def _makers() -> frozenset[str]:
    from yetan import api

    known = [each for each in (YetanError, *vars(api).values()) if isinstance(each, type)]
    return frozenset(each.__name__ for each in known if issubclass(each, YetanError) or LABELS & set(field_names(each)))


def _columns(node: ast.ClassDef) -> Iterator[str]:
    return (ast.unparse(each.target) for each in node.body if isinstance(each, ast.AnnAssign))


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return Environment(extensions=["jinja2.ext.i18n", KeptParts], autoescape=True)


def said_in_template(path: Path) -> Iterator[MessageId]:
    """The messages of one template."""
    for call in _parsed(path).find_all(nodes.Call):
        name = call.node.name if isinstance(call.node, nodes.Name) else ""
        given = [each.value for each in call.args if isinstance(each, nodes.Const) and isinstance(each.value, str)]
        if name in _COUNTED:
            yield given[0], given[1]
        elif name in _MARKS:
            yield from given


def unmarked_in_template(path: Path) -> Iterator[tuple[int, str]]:
    """By line, what a template says in Chinese without marking it as a message."""
    template = _parsed(path)
    marked = {
        id(text)
        for call in template.find_all(nodes.Call)
        if isinstance(call.node, nodes.Name) and call.node.name in _MARKS | _COUNTED
        for text in call.args
    }
    for node in template.find_all((nodes.TemplateData, nodes.Const)):
        said = node.data if isinstance(node, nodes.TemplateData) else getattr(node, "value", None)
        if isinstance(said, str) and _is_chinese(said) and id(node) not in marked:
            yield node.lineno, said.strip()


def _parsed(path: Path) -> nodes.Template:
    return _environment().parse(path.read_text("utf-8"), filename=str(path))


def catalogue_files(folder: Path) -> Mapping[str, Path]:
    """By locale, the file of each catalogue a package ships."""
    paths = {locale: folder / "locale" / locale / "LC_MESSAGES" / "messages.po" for locale in LOCALES}
    return {locale: path for locale, path in paths.items() if path.is_file()}


def catalogues_in(folder: Path) -> Mapping[str, frozenset[str]]:
    """By locale, the messages for which the package's catalogue has words."""
    return {
        locale: frozenset(_id(each) for each in read_catalogue(path, locale) if each.id and _words(each))
        for locale, path in catalogue_files(folder).items()
    }


def read_catalogue(path: Path, locale: str) -> Catalog:
    """A catalogue as it stands in its file."""
    with path.open("rb") as stream:
        return read_po(stream, locale=locale)


def _id(message: Message) -> str:
    return str(message.id if isinstance(message.id, str) else message.id[0])


def _forms(message: Message) -> Sequence[str]:
    """What a catalogue says for a message, form by form."""
    return (message.string,) if isinstance(message.string, str) else message.string or ("",)


def _words(message: Message) -> bool:
    return all(_forms(message)) and not message.fuzzy


def untranslated(folder: Path, said: Iterable[MessageId]) -> Mapping[str, list[str]]:
    """By locale of the catalogues a package ships, what of `said` they have no words for; {} where all are complete.

    The messages themselves are in the default locale: a catalogue of that one overrides what it will.
    """
    wanted = {first_form(each) for each in said}
    found = {locale: sorted(wanted - known) for locale, known in catalogues_in(folder).items()}
    return {locale: missing for locale, missing in found.items() if missing and locale != DEFAULT_LOCALE}


def misfilled(folder: Path) -> Iterator[str]:
    """Where the words of a catalogue have other {places} than their message: locale, message, and what is said."""
    for locale, path in catalogue_files(folder).items():
        for each in read_catalogue(path, locale):
            if not each.id:
                continue
            # The form for one may leave the number out.
            loose = set() if isinstance(each.string, str) else {"count"}
            for form in _forms(each):
                if (
                    form
                    and (unlike := places(form) ^ places(_id(each)))
                    and unlike - (loose if form is _forms(each)[0] else set())
                ):
                    yield f"{locale}: {_id(each)} -> {form}"


def places(text: str) -> frozenset[str]:
    """The names of the {places} and %(places)s in a text."""
    named = re.findall(r"%\((\w+)\)s", text)
    if named:
        return frozenset(named)
    try:
        return frozenset(name for _, name, _, _ in string.Formatter().parse(text) if name is not None)
    except ValueError:
        return frozenset({"{"})


def renew(
    folder: Path, said: Iterable[MessageId], proposals: Proposals | None = None, known: Collection[str] = ()
) -> Mapping[Path, list[str]]:
    """Give each catalogue the messages it lacks, with the words proposed for its locale, and take out what nobody says.

    What is `known` elsewhere need not be here; where it is, other words take the place of those. Returns by file what
    words are to be found for.
    """
    wanted = {first_form(each): each for each in said}
    found: dict[Path, list[str]] = {}
    for locale, path in catalogue_files(folder).items():
        before = {_id(each): each for each in read_catalogue(path, locale) if each.id}
        catalogue = Catalog(locale)
        chosen = before.keys() if locale == DEFAULT_LOCALE else (wanted.keys() - set(known)) | before.keys()
        for text in sorted(chosen & (wanted.keys() | set(known))):
            message = before.get(text)
            if message is None or not _words(message):
                message = _new(text, wanted.get(text, text), catalogue.num_plurals, (proposals or {}).get(locale))
            catalogue[message.id] = message
        _write(path, catalogue)
        found[path] = [_id(each) for each in catalogue if each.id and not _words(each)]
    return found


def _new(text: str, said: MessageId, forms: int, propose: Callable[[str], str] | None) -> Message:
    words = propose(text) if propose is not None else ""
    if isinstance(said, tuple) or ("count" in places(text) and forms > 1):
        return Message((text, first_form(said) if isinstance(said, str) else said[1]), (words,) * forms)
    return Message(text, words)


def _write(path: Path, catalogue: Catalog) -> None:
    """Write a catalogue so that the same messages always make the same file."""
    head = (
        'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n"Content-Transfer-Encoding: 8bit\\n"\n'
        f'"Language: {catalogue.locale_identifier}\\n"\n"Plural-Forms: {catalogue.plural_forms}\\n"\n\n'
    )
    written = BytesIO()
    write_po(written, catalogue, width=0, omit_header=True)
    path.write_bytes(head.encode() + written.getvalue().rstrip() + b"\n")


def traditional() -> Callable[[str], str]:
    """Turns Simplified characters into Traditional ones. A person reads what it proposes.

    Characters alone: the words of government stay the mainland's. OpenCC's "s2t" writes 爲 and 覈, as hardly anybody
    does, and "s2twp" puts Taiwan's words in their place.
    """
    from opencc import OpenCC

    converter = OpenCC("s2hk")
    return lambda text: str(converter.convert(text)).translate(_AS_WRITTEN)


#: Where Hong Kong's printed forms differ from what people write there and in Taiwan alike.
_AS_WRITTEN = str.maketrans("説閲户啓", "說閱戶啟")


def core_messages() -> frozenset[MessageId]:
    """What the core says to people."""
    return said_in(CORE, OPERATORS | TABLES)


#: The core's package.
CORE = Path(__file__).parent


def main(plugins: Sequence[str]) -> int:
    """Bring the catalogues of the core and of the named plugins up to what they say; 1 where words are missing."""
    from yetan.plugins.examined import find
    from yetan.plugins.messages import renew_catalogues

    proposals = {"zh_Hant": traditional()}
    found = dict(renew(CORE, core_messages(), proposals))
    for examined in (each for name in plugins for each in find(name)):
        found |= renew_catalogues(examined.plugin, examined.registry, proposals)
    for path, missing in found.items():
        print(f"{path}: {len(missing)} without words")
        for each in missing:
            print(f"  {each}")
    return 1 if any(found.values()) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
