"""The studio in a real browser, spoken to by the real server with the shipped model."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
from helpers.process import serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
TIMEOUT_MS = 180_000  # for machines that have other things to do
OpenStudio = Callable[..., "Page"]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server; of one that runs already, if EDIFFI_STUDIO names it."""
    if address := os.environ.get("EDIFFI_STUDIO"):
        yield address
    else:
        with serving(tmp_path_factory.mktemp("server")) as address:
            yield address


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("there is no chromium here: apt install chromium")
    with api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_studio(browser: Browser, server: str) -> Iterator[OpenStudio]:
    """Opens pages of the studio, which fails the test if any has an error of its own or asks
    another host for anything."""
    opened: list[BrowserContext] = []
    troubles: list[str] = []

    def open_page(address: str = server, **options: object) -> Page:
        context = browser.new_context(reduced_motion="reduce", **options)
        opened.append(context)
        page = context.new_page()
        page.set_default_timeout(TIMEOUT_MS)
        page.on("pageerror", lambda error: troubles.append(f"error: {error}"))
        page.on("console", lambda message: _hear(message, troubles))
        page.on("request", lambda request: _see(request.url, address, troubles))
        page.goto(address)
        return page

    yield open_page
    for context in opened:
        context.close()
    assert troubles == []


@pytest.fixture
def studio(open_studio: OpenStudio) -> Page:
    """A studio on a desktop."""
    page = open_studio(viewport={"width": 1280, "height": 860})
    page.wait_for_selector("main")
    return page


def _hear(message: ConsoleMessage, troubles: list[str]) -> None:
    answered = "Failed to load resource: the server responded with a status of"
    if message.type in ("error", "warning") and not message.text.startswith(answered):
        troubles.append(f"{message.type}: {message.text}")


def _see(url: str, address: str, troubles: list[str]) -> None:
    if not url.startswith((address, "data:", "blob:")):
        troubles.append(f"asked {url}")
