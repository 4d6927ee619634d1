"""What a test sees of a page: the script Streamlit runs, drawn without a browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape

from streamlit.testing.v1 import AppTest

from etl.settings import ROOT

HOSTILE = "<img src=x onerror=alert(1)>"
_TAG = re.compile(r"<[^>]+>")


class Screen:
    """One visit: the page as drawn, and what can be read on it."""

    def __init__(self, app: AppTest) -> None:
        self.app = app

    @property
    def html(self) -> str:
        """The markup of everything the widgets drew."""
        bodies = (str(block.proto.body) for block in self.app.get("html"))
        return "\n".join(body for body in bodies if not body.startswith("<style"))

    @property
    def text(self) -> str:
        """What a reader sees of it, in one line."""
        return re.sub(r"\s+", " ", unescape(_TAG.sub(" ", self.html)))

    @property
    def verdicts(self) -> list[str]:
        """The sentences on a tint, from the top."""
        return [unescape(_TAG.sub("", said)) for said in re.findall(r'class="say">(.*?)</div>', self.html)]

    @property
    def tones(self) -> list[str]:
        """The tint of each of them: passed, warned, failed, unexamined or running."""
        return re.findall(r'class="ml verdict" role="status" style="background:var\(--(\w+)-bg\)', self.html)

    @property
    def toasts(self) -> list[str]:
        """What pops up."""
        return [toast.value for toast in self.app.toast]

    def keys(self, kind: str) -> list[str]:
        """The keys of all elements of a kind, such as `button`."""
        return [str(element.key) for element in self.app.get(kind)]

    def click(self, key: str) -> Screen:
        """Press the button with that key and draw again."""
        self.app.button(key=key).click().run()
        return self


def draw(page: str, **query: str) -> Screen:
    """The page of that name, as the script that Streamlit runs draws it."""
    app = AppTest.from_file(ROOT / "ui" / "main.py", default_timeout=60)
    if page != "overview":
        app.run()
        app.switch_page(f"../pages/{page}.py")
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception, app.exception
    return Screen(app)


Page = Callable[..., Screen]
"""How a test asks for a page: its name, then query parameters."""

Serve = Callable[..., None]
"""Makes a service, or the error that kept it from starting, the one of this process."""
