"""Quality: what was examined, what it found, and where every row and every cent went."""

from __future__ import annotations

import streamlit as st

from ui import (
    batches,
    data,
    live,
    quality_accounts,
    quality_checks,
    quality_quarantine,
    quality_watching,
    reads_mending,
    reads_quality,
    widgets,
    words,
    workbench_asking,
)

widgets.header("Quality", data.provenance())
widgets.refusal()
found = data.verdict()
widgets.verdict(str(found.state), found.headline, found.detail, found.reasons)

accounts = reads_quality.accounts()
if not quality_accounts.anything_landed(accounts):
    widgets.empty("verified_user", "Nothing to examine yet", words.LAND_FILES)
    st.stop()

live.follow(lambda run: live.progress(run) if run else None)
where, examined, aside, landed = st.tabs(
    ["Accounts", "Checks", "Quarantine", "Batches"], key="tab", bind="query-params"
)
with where:
    quality_accounts.draw(accounts)
with examined:
    quality_checks.checks(reads_quality.checks())
    with widgets.boundary():
        quality_watching.draw()
with aside:
    quality_quarantine.quarantine(accounts, reads_quality.reasons())
    quality_quarantine.refused(accounts.refused)
with landed, widgets.boundary():
    batches.batches(reads_mending.batches(), accounts, reads_mending.mends())
workbench_asking.draw()
