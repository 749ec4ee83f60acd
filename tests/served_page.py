"""The page in a browser, with what it complains of and what it asks for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

PATIENCE = 240_000  # milliseconds, on a machine that is busy with other tests


@dataclass
class Opened:
    """A page in a browser, what it complained of and what it asked for."""

    page: Any
    context: Any
    address: str
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


def open_page(browser: Any, address: str, **options: Any) -> Opened:
    """Open a page and wait until it takes pictures."""
    context = browser.new_context(viewport={"width": 1200, "height": 850}, **options)
    context.set_default_timeout(PATIENCE)
    opened = Opened(context.new_page(), context, address)
    watch(opened)
    opened.page.goto(address)
    opened.page.wait_for_selector("html[data-ready]")
    return opened


def watch(opened: Opened) -> None:
    """Note what a page complains of and asks for."""
    page = opened.page
    page.on("pageerror", lambda error: opened.complaints.append(str(error)))
    page.on("console", lambda message: _note(opened, message))
    # Of the page and of its workers.
    opened.context.on("request", lambda request: opened.requests.append(request.url))


def _note(opened: Opened, message: Any) -> None:
    # A test that keeps service workers out hears of it.
    if message.type in {"error", "warning"} and "blocked by Playwright" not in message.text:
        opened.complaints.append(message.text)
