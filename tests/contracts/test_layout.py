"""The layout's rules: what is packaged, what imports what, and that the core names no plugin, not even in a string."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import yetan
from yetan import hookspecs

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CONTRACTS = {each["name"]: each for each in PROJECT["tool"]["importlinter"]["contracts"]}


def packages() -> set[str]:
    """Every package of ours under the source roots."""
    found = {"core/yetan"}
    for root in ("plugins", "search_index", "themes"):
        found |= {f"{root}/{folder.name}" for folder in (ROOT / root).iterdir() if (folder / "__init__.py").is_file()}
    return found


def test_every_package_is_in_the_wheel_linted_and_typed() -> None:
    assert set(PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) == packages()
    names = {path.rpartition("/")[2] for path in packages()}
    assert set(PROJECT["tool"]["mypy"]["packages"]) == names
    assert set(PROJECT["tool"]["importlinter"]["root_packages"]) == names
    assert all((ROOT / path / "py.typed").is_file() for path in packages())


def test_every_plugin_has_its_entry_point() -> None:
    points = {
        value.partition(":")[0].partition(".")[0]
        for value in PROJECT["project"]["entry-points"]["yetan.plugins"].values()
    }
    assert points == {path.rpartition("/")[2] for path in packages()} - {"yetan"}


def test_the_core_names_no_plugin_theme_or_backend() -> None:
    names = set(PROJECT["project"]["entry-points"]["yetan.plugins"]) | {
        path.rpartition("/")[2] for path in packages() if path != "core/yetan"
    }
    names -= set(vars(hookspecs))  # a hook may be called as a package is
    pattern = re.compile("|".join(rf"[\"'/]({name})[\"'/.:]" for name in sorted(names)))
    allowed = {"cli/inspection.py"}  # the first yetan.toml that `yetan init` writes suggests a search and a theme
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in sorted((ROOT / "core/yetan").rglob("*"))
        if path.suffix in (".py", ".html") and str(path.relative_to(ROOT / "core/yetan")) not in allowed
        for line in path.read_text(encoding="utf-8").splitlines()
        if pattern.search(line) and "test" not in path.parts
    ]
    assert found == []


def test_strangers_are_kept_from_every_module_of_the_core_but_the_interface() -> None:
    forbidden = set(CONTRACTS["Plugins, themes and search backends import yetan.api alone"]["forbidden_modules"])
    folder = Path(yetan.__file__).parent
    modules = {f"yetan.{path.stem}" for path in folder.glob("*.py")} | {
        f"yetan.{path.parent.name}" for path in folder.glob("*/__init__.py")
    }
    inner = modules - {"yetan.__init__", "yetan.__main__", "yetan.api", "yetan.migrations"}
    assert forbidden == inner


def test_deployments_hold_data_only() -> None:
    assert [str(path) for path in (ROOT / "deployments").rglob("*.py")] == []


def test_the_project_speaks_of_itself_alone() -> None:
    """No machine's paths, no package registry's hosts."""
    told = re.compile(
        r"/(wo"
        + r"rk|ro"
        + r"ot|ho"
        + r"me)/|pypi\.o"
        + r"rg|files\.pythonho"
        + r"sted|npmj"
        + r"s\.(com|org)|deb\.deb"
        + r"ian"
    )
    files = [
        path
        for path in ROOT.rglob("*")
        if path.suffix in (".py", ".md", ".toml", ".html", ".css", ".csv", ".lock", ".txt", "")
        and path.is_file()
        and not {
            ".git",
            ".venv",
            "var",
            "node_modules",
            ".mypy_cache",
            ".ruff_cache",
            ".hypothesis",
            ".pytest_cache",
            "dist",
        }
        & set(path.relative_to(ROOT).parts)
    ]
    assert len(files) > 100
    assert [str(path) for path in files if told.search(path.read_text(encoding="utf-8", errors="ignore"))] == []
