"""The report's facts for a program: plain JSON values without a float, and the digest over the whole report."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from typing import Any

from etl.drift import Drift
from etl.facts import CheckFacts, Report
from etl.mends import Mend
from etl.report.given import ReportInput
from etl.texts import STATE_WORDS
from etl.verdict import standing
from etl.wire import to_plain

PACKED = "packed"
NOT_DIGESTED = ("digest", "report_id")


def digest(report: Report) -> str:
    """SHA-256 of the canonical JSON: every field but the digest and the number, keys sorted, no spaces, UTF-8.

    `jq -cjS 'del(.digest, .report_id)' report.json | sha256sum` gives the same.
    """
    plain = {name: value for name, value in to_plain(report).items() if name not in NOT_DIGESTED}
    canonical = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def packed(plain: dict[str, Any]) -> dict[str, Any]:
    """Plain JSON values in a tenth of the space."""
    text = json.dumps(plain, separators=(",", ":"), ensure_ascii=False)
    return {PACKED: base64.b64encode(zlib.compress(text.encode(), level=9)).decode("ascii")}


def unpacked(kept: dict[str, Any]) -> dict[str, Any]:
    """The plain values again; those kept before reports were packed as they are. Raises ValueError."""
    if PACKED not in kept:
        return kept
    try:
        text = zlib.decompress(base64.b64decode(kept[PACKED], validate=True))
    except zlib.error as torn:
        raise ValueError(f"The kept report cannot be unpacked: {torn}.") from torn
    return dict(json.loads(text))


def evidence(given: ReportInput) -> dict[str, Any]:
    """Every fact of the trust sections under its own name; amounts are strings, times ISO."""
    return {
        "accounts": to_plain(given.accounts),
        "checks": [_check(given, facts) for facts in given.checks],
        "quarantine": [to_plain(reason) for reason in given.reasons if not reason.unreadable],
        "unreadable": to_plain(given.unreadable),
        "mends": [_mend(mend) for mend in given.mends],
        "drift": [_without_example(drift) for drift in given.drift],
        "incidents": to_plain(given.incidents),
        "files": [
            to_plain(batch) | {"withdrawn": batch.batch_id in given.withdrawn} for batch in given.batches
        ],
        "definitions": to_plain(given.definitions),
        "published": to_plain(given.published),
        "stale": [
            {"table": table.name, "because": table.stale_because} for table in given.tables if table.stale
        ],
        "software": {"engine rules": str(given.rules_version), "python": given.python}
        | dict(given.system.versions),
    }


def _mend(mend: Mend) -> dict[str, Any]:
    """A mend with the columns that it changed, without their values: those are people's data."""
    edits = [
        {
            "place": to_plain(edit.place),
            "columns": [name for name, _ in edit.values],
            "raw": edit.raw is not None,
        }
        for edit in mend.edits
    ]
    return to_plain(mend) | {"edits": edits}  # type: ignore[no-any-return]


def _without_example(drift: Drift) -> dict[str, Any]:
    """What a column held is people's data; `sentence` quotes it."""
    return {name: value for name, value in to_plain(drift).items() if name not in ("example", "sentence")}


def _check(given: ReportInput, facts: CheckFacts) -> dict[str, Any]:
    """A check without its sample, which shows people's data, and without its duration, which proves nothing."""
    result = facts.result
    return {
        "check": facts.check,
        "table": facts.table,
        "severity": str(facts.severity),
        "state": STATE_WORDS[standing(facts, given.tables)],
        "examined": result.examined,
        "failing": result.failing,
        "message": result.message,
        "query": result.query,
        "version": result.version,
        "examined_at": to_plain(result.examined_at),
    }
