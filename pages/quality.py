"""Quality: what was examined, what it found, and where every row and every cent went."""

from __future__ import annotations

import streamlit as st

from ui import data, quality, reads_quality, widgets, words

widgets.header("Quality", data.provenance())
widgets.refusal()
found = data.verdict()
widgets.verdict(str(found.state), found.headline, found.detail, found.reasons)

accounts = reads_quality.accounts()
if not quality.anything_landed(accounts):
    widgets.empty("verified_user", "Nothing to examine yet", words.LAND_FILES)
    st.stop()

where, examined, aside = st.tabs(["Accounts", "Checks", "Quarantine"], key="tab", bind="query-params")
with where:
    quality.retention(accounts.retention)
    quality.row_account(accounts.row_totals)
    quality.money_account(accounts.money_totals)
    quality.batches(accounts)
with examined:
    quality.checks(reads_quality.checks())
with aside:
    quality.quarantine(reads_quality.reasons(), accounts.retention)
    quality.unreadable(reads_quality.unreadable())
    quality.refused(accounts.refused)
