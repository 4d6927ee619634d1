"""System: what answers and how fast, what it uses, how large it is, and what the doctor found."""

from __future__ import annotations

import streamlit as st

from ui import data, injection, system, widgets
from ui import words_system as words

facts = data.living().system()
found = words.beyond(facts.services, data.living().doctor())
pipelines = data.living().pipelines()
widgets.header("System", words.started(facts.started_at))
widgets.refusal()
system.living(facts, found, pipelines)
with widgets.card("pipelines", "Pipelines"):
    system.pipelines(pipelines)
left, right = st.columns([1.35, 1], gap="small")
with left, widgets.card("doctor", "Doctor", words.DOCTOR_LEAD):
    system.findings(found)
with right:
    with widgets.card("sizes", "On disk"):
        system.sizes(facts.sizes)
    with widgets.card("versions", "Versions"):
        system.versions(facts.versions)
injection.draw()
