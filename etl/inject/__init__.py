"""Check the checks: plant every kind of fault in copies of the newest files and see which check catches which.

Works on a scratch workspace of its own, with the real service on it. The user's warehouse, ledger and files are read
through the service and never written.
"""

from __future__ import annotations

from etl.inject.records import Caught, Copied, FaultKind, Injection, Planted
from etl.inject.trial import copies_of, inject

__all__ = ["Caught", "Copied", "FaultKind", "Injection", "Planted", "copies_of", "inject"]
