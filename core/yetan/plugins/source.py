"""What can be read off a plugin's source without running it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

_Function = (ast.FunctionDef, ast.AsyncFunctionDef)

#: Calls that ask the machine for the time.
_CLOCKS = frozenset(
    {"datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time", "timezone.now", "Now"}
)
#: Calls that let everybody wait, within an async function; a name with a dot at its end stands for all below it.
_BLOCKING = (
    "time.sleep", "requests.", "urllib.request.", "urlopen", "subprocess.", "os.system", "socket.create_connection",
    "httpx.get", "httpx.post", "httpx2.get", "httpx2.post",
)  # fmt: skip
#: Calls that start what nobody waits for, or another loop.
_STRAY = ("asyncio.create_task", "asyncio.ensure_future", "create_task", "asyncio.run", "threading.Thread")
_SQL_CLOCK = re.compile(
    r"\b(select|insert|update|delete|where)\b.*\b(now\s*\(\s*\)|current_(timestamp|date)\b)", re.IGNORECASE | re.DOTALL
)


class Source:
    """One Python file. `name` is what it is called in messages."""

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self.name = name

    @cached_property
    def tree(self) -> ast.Module:
        """Its syntax tree."""
        return ast.parse(self.path.read_text(encoding="utf-8"), str(self.path))

    def imports(self) -> Iterator[tuple[int, str]]:
        """Line and dotted name of every module it imports, absolute ones alone."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((node.lineno, each.name) for each in node.names)
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module is not None:
                below = (f"{node.module}.{each.name}" for each in node.names)
                yield from ((node.lineno, each) for each in (below if node.module == "yetan" else (node.module,)))

    def dangers(self) -> Iterator[tuple[int, str]]:
        """Line of each construct that harms a city, and what it is."""
        said = {id(node.value) for node in ast.walk(self.tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                if _is_clock(called):
                    yield node.lineno, f"{called}()，钟是城市的：用 act.now 或 current().clock()"
                elif called in _STRAY:
                    yield node.lineno, f"{called}()，没有人等它，出了错也没有人知道"
                for given in node.keywords:
                    if given.arg in ("auto_now", "auto_now_add") and _is_true(given.value):
                        yield node.lineno, f"{given.arg}=True，钟是城市的：写入 act.now"
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said:
                if _SQL_CLOCK.search(node.value):
                    yield node.lineno, "SQL 里的 now()，钟是城市的：把 act.now 作为参数"
            elif isinstance(node, ast.ExceptHandler) and node.type is None:
                yield node.lineno, "except: 连取消也会吞掉：写 except Exception"
            elif isinstance(node, ast.AsyncFunctionDef):
                yield from _blocking(node)

    def unannotated(self) -> Iterator[tuple[int, str]]:
        """Line and name of every function whose types are not all said."""
        for node in ast.walk(self.tree):
            if isinstance(node, _Function):
                given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                bare = [each for each in given if each.annotation is None and each.arg not in ("self", "cls")]
                if bare or node.returns is None:
                    yield node.lineno, node.name

    def undocumented(self) -> Iterator[tuple[int, str]]:
        """Line and name of the module, and of every public class and function of its own, without a docstring.

        What implements a hook is explained by the hook.
        """
        if ast.get_docstring(self.tree) is None and self.tree.body:
            yield 1, self.name
        below = (each for node in self.tree.body if isinstance(node, ast.ClassDef) for each in node.body)
        for node in (*self.tree.body, *below):
            if not isinstance(node, (ast.ClassDef, *_Function)) or node.name.startswith("_") or node.name == "Meta":
                continue
            hook = any(ast.unparse(each) == "hookimpl" for each in node.decorator_list)
            if not hook and ast.get_docstring(node) is None:
                yield node.lineno, node.name

    def defines(self, name: str) -> bool:
        """Whether a function of that name stands at its top."""
        return any(isinstance(node, _Function) and node.name == name for node in self.tree.body)

    def has_tests(self) -> bool:
        """Whether it has tests of its own, besides what a class inherits."""
        return any(isinstance(node, _Function) and node.name.startswith("test_") for node in ast.walk(self.tree))

    def holds_to_contract(self, plugin: str) -> bool:
        """Whether it runs the contract suite over a plugin."""
        return any(
            isinstance(node, ast.ClassDef)
            and any(ast.unparse(base).rpartition(".")[2] == "PluginContract" for base in node.bases)
            and any(
                isinstance(each, ast.Assign)
                and ast.unparse(each.targets[0]) == "plugin"
                and isinstance(each.value, ast.Constant)
                and each.value.value == plugin
                for each in node.body
            )
            for node in ast.walk(self.tree)
        )


def _is_clock(called: str) -> bool:
    return ".".join(called.split(".")[-2:]) in _CLOCKS or called in _CLOCKS


def _is_true(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is True


def _blocking(function: ast.AsyncFunctionDef) -> Iterator[tuple[int, str]]:
    for node in ast.walk(function):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if any(called == each or (each.endswith(".") and called.startswith(each)) for each in _BLOCKING):
                yield node.lineno, f"async 函数里的 {called}()，整个网站都等着它"
