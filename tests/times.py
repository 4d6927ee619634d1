"""How hard the laws are tried: what CI runs, or METALAYER_TEST_TIMES times as many cases and kills."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase
from hypothesis import settings as trying

TIMES = int(os.environ.get("METALAYER_TEST_TIMES", "1"))
SECONDS_BEFORE_IT_HANGS = 900 * TIMES


def times(count: int) -> int:
    """As many of them as this run is to try."""
    return count * TIMES


EVERY_PHASE = (Phase.explicit, Phase.reuse, Phase.generate, Phase.target, Phase.shrink)


def tries(count: int, *, steps: int = 50, shrink: bool = True) -> trying:
    """Hypothesis settings for so many cases in CI, there always the same; with the flag, new ones each time.

    Without `shrink` a case that fails is told as it was found, instead of being made smaller for minutes.
    """
    return trying(
        max_examples=times(count),
        stateful_step_count=steps,
        deadline=None,
        derandomize=TIMES == 1,
        print_blob=True,
        phases=[phase for phase in EVERY_PHASE if shrink or phase is not Phase.shrink],
        suppress_health_check=[
            HealthCheck.function_scoped_fixture,
            HealthCheck.too_slow,
            HealthCheck.data_too_large,
        ],
    )
