"""A server that anyone can reach says so above every page, and no other does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from etl.errors import MetaLayerError
from etl.process import process
from etl.service import Service
from etl.settings import ROOT
from tests.pages.screens import Page
from ui import words

EVERY_PAGE = sorted(path.stem for path in (ROOT / "pages").glob("*.py"))


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    yield
    process().open_to_anyone = False


@pytest.mark.parametrize("name", EVERY_PAGE)
def test_every_page_says_that_anyone_can_see_it(healthy: Service, page: Page, name: str) -> None:
    process().open_to_anyone = True
    assert page(name).text.count(words.OPEN_TO_ANYONE) == 1


@pytest.mark.parametrize("name", EVERY_PAGE)
def test_no_page_says_so_on_a_machine_of_ones_own(healthy: Service, page: Page, name: str) -> None:
    assert words.OPEN_TO_ANYONE not in page(name).text


def test_a_page_without_an_engine_says_so_too(unstartable: MetaLayerError, page: Page) -> None:
    process().open_to_anyone = True
    assert page("overview").text.count(words.OPEN_TO_ANYONE) == 1
