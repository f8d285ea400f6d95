"""The site: every page is in its navigation, and every file and name that a page gives exists."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md"))]
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)")
API = re.compile(r"^::: (\S+)$", re.MULTILINE)
MEMBER = re.compile(r"`([a-z_]+/[\w/]+\.py)`: `([\w.]+)`")
FILE = re.compile(r"`((?:src|studies|tests|scripts|docs)/[\w./-]+|[a-z_]+/[\w/]+\.py)`")


def relative(page: Path) -> str:
    return str(page.relative_to(ROOT))


def pages_of(nav: Any) -> Iterator[str]:
    for entry in nav:
        for target in entry.values():
            if isinstance(target, str):
                yield target
            else:
                yield from pages_of(target)


def test_every_page_is_in_the_navigation_once() -> None:
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]
    assert sorted(pages_of(nav)) == sorted(str(p.relative_to(DOCS)) for p in DOCS.rglob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_links_lead_somewhere(page: Path) -> None:
    links = [link for link in LINK.findall(page.read_text()) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=relative)
def test_links_of_the_site_stay_in_it(page: Path) -> None:
    links = [link for link in LINK.findall(page.read_text()) if "://" not in link]
    assert all((page.parent / link).resolve().is_relative_to(DOCS) for link in links)


@pytest.mark.parametrize("page", [p for p in PAGES if "results" not in p.parts], ids=relative)
def test_files_that_are_named_exist(page: Path) -> None:
    """Files of the repository, or of the package."""
    named = FILE.findall(page.read_text())
    places = (ROOT, ROOT / "src" / "ediffi")
    assert [name for name in named if not any((at / name).exists() for at in places)] == []


SHOWN = [name for page in sorted(DOCS.glob("api/*.md")) for name in API.findall(page.read_text())]


@pytest.mark.parametrize("name", SHOWN)
def test_api_pages_show_what_has_a_docstring(name: str) -> None:
    try:
        found = importlib.import_module(name)
    except ModuleNotFoundError:
        module, _, member = name.rpartition(".")
        found = getattr(importlib.import_module(module), member)
    assert inspect.getdoc(found)


def test_one_prompt_is_followed_through_names_that_exist() -> None:
    members = MEMBER.findall((DOCS / "follow-a-prompt.md").read_text())
    assert len(members) > 30
    for path, name in members:
        module = "ediffi." + path.removesuffix(".py").replace("/", ".")
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
        assert found.__module__ == module, f"{name} is not of {path}"
