"""The first request that a fresh server ever gets, from somebody it does not know, for any page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import expect

from etl.settings import Settings
from tests.e2e.conftest import Visitor
from tests.e2e.server import Server, built_sample, in_folder, ready, start, until
from tests.workspaces import opened, run

PAGES = {
    "": "Overview",
    "regional-revenue": "Regional revenue",
    "products": "Products",
    "quality": "Quality",
    "report": "Report",
    "runs": "Runs",
    "system": "System",
}
