"""A file with 2 % of its lines broken beside the same file sound, through the reader: every broken line is named."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from pathlib import Path

from etl.catalog import load_catalog
from etl.reader import Reader, ReadResult
from etl.reader.grammar import AFTER_QUOTE, NOT_CLOSED, NUL
from etl.settings import ROOT

EVERY = 50  # one line in so many is broken
KINDS = (  # a broken line, and the reason it must be told with
    (b"%d,12,7\n", "too few fields: 3 instead of 6"),
    (b"%d,12,7,1,2026-03-01,5.00,note\n", "too many fields: 7 instead of 6"),
    (b'%d,"12,7,1,2026-03-01,5.00\n', NOT_CLOSED),
    (b'%d,"12"x,7,1,2026-03-01,5.00\n', AFTER_QUOTE),
    (b"%d,12,7,1,2026-03-01,\xff\n", "not valid utf-8"),
    (b"%d,12,7,1,2026-03-01,5\0.00\n", NUL),
)
SOUND = b"%d,12,7,1,2026-03-01,5.00\n"


@dataclass(frozen=True)
class Defects:
    """Median seconds of reading either file; `broken` lines were all told with their line and reason."""

    lines: int
    broken: int
    clean_seconds: float
    broken_seconds: float

    @property
    def ratio(self) -> float:
        """How many times as long the broken file takes."""
        return self.broken_seconds / self.clean_seconds

    def told(self) -> str:
        """One line for the report."""
        return (
            f"{self.lines:,} lines: clean {self.clean_seconds:.2f} s, with {self.broken:,} broken ones "
            f"{self.broken_seconds:.2f} s ({self.ratio:.1f} times); each told with its exact line and reason"
        )


def measure(folder: Path, lines: int, repeat: int) -> Defects:
    """Read both files, alternating. Raises SystemExit when a line is missed or misnamed."""
    landing, files = folder / "landing", folder / "files"
    for made in (landing, files / "bronze"):
        made.mkdir(parents=True)
    planted = {line: KINDS[line // EVERY % len(KINDS)] for line in range(EVERY, lines, EVERY)}
    header = b"sales_id,product_id,customer_id,quantity,sale_date,sale_amount\n"
    clean, broken = landing / "clean.csv", landing / "broken.csv"
    clean.write_bytes(header + b"".join(SOUND % n for n in range(2, lines + 1)))
    broken.write_bytes(
        header + b"".join((planted[n][0] if n in planted else SOUND) % n for n in range(2, lines + 1))
    )
    contract = load_catalog(ROOT).contracts["erp_sales"]
    seconds: dict[Path, list[float]] = {clean: [], broken: []}
    with Reader([landing], files) as reader:
        for _ in range(repeat):
            for path, taken in seconds.items():
                started = time.perf_counter()
                result = reader.read(path, contract, files / "bronze" / "batch.parquet")
                taken.append(time.perf_counter() - started)
                _require(result, {n: kind[1] for n, kind in planted.items()} if path is broken else {}, lines)
    medians = (statistics.median(seconds[path]) for path in (clean, broken))
    return Defects(lines, len(planted), *medians)


def _require(result: ReadResult, planted: dict[int, str], lines: int) -> None:
    told = {line.line_number: line.reason for line in result.unreadable}
    if told != planted or result.rows != lines - 1 - len(planted):
        missed = sorted(planted.items() ^ told.items())[:5]
        raise SystemExit(f"The reader missed or misnamed lines: {missed}; {result.rows} rows.")
