"""Quality: what was examined, what it found, and where every row and every cent went."""

from __future__ import annotations

import streamlit as st

from ui import data, quality_accounts, quality_checks, quality_quarantine, reads_quality, widgets, words

widgets.header("Quality", data.provenance())
widgets.refusal()
found = data.verdict()
widgets.verdict(str(found.state), found.headline, found.detail, found.reasons)

accounts = reads_quality.accounts()
if not quality_accounts.anything_landed(accounts):
    widgets.empty("verified_user", "Nothing to examine yet", words.LAND_FILES)
    st.stop()

where, examined, aside = st.tabs(["Accounts", "Checks", "Quarantine"], key="tab", bind="query-params")
with where:
    quality_accounts.retention(accounts.retention)
    quality_accounts.row_account(accounts.row_totals)
    quality_accounts.money_account(accounts.money_totals)
    quality_accounts.batches(accounts)
with examined:
    quality_checks.checks(reads_quality.checks())
with aside:
    quality_quarantine.quarantine(reads_quality.reasons(), accounts.retention)
    quality_quarantine.unreadable(reads_quality.unreadable())
    quality_quarantine.refused(accounts.refused)
