"""Design tokens as (light, dark) pairs, and how each state looks. The only colours outside config.toml."""

from __future__ import annotations

from dataclasses import dataclass

TOKENS = {
    "canvas": ("#FAFAFB", "#0C0E12"),
    "surface": ("#FFFFFF", "#13161C"),
    "raised": ("#F3F4F6", "#1A1E26"),
    "border": ("#E4E7EB", "#262B35"),
    "text": ("#14181F", "#E9EBEF"),
    "muted": ("#5A6372", "#9BA4B3"),
    "faint": ("#727B8A", "#7F8898"),
    "grid": ("#ECEEF1", "#1E232C"),
    "accent": ("#3E63DD", "#6E8BFF"),
    "link": ("#2F50C4", "#9DB2FF"),
    "calm": ("#A9B2C1", "#4C5668"),
    "bronze": ("#8F4C22", "#C97F4A"),
    "silver": ("#66758F", "#A9B6CB"),
    "gold": ("#B88A00", "#F0CB5E"),
    "superseded": ("#7657C4", "#AA92F0"),
    "passed": ("#17703F", "#7FE3BD"),
    "passed-bg": ("#E4F4EA", "#13291E"),
    "warned": ("#9A5200", "#F5B968"),
    "warned-bg": ("#FDEFD9", "#32230F"),
    "failed": ("#A8202B", "#F56A6A"),
    "failed-bg": ("#FCE8E9", "#36181B"),
    "unexamined": ("#5A6372", "#9BA4B3"),
    "unexamined-bg": ("#EDEFF2", "#21262F"),
    "running": ("#2F50C4", "#A3B6FF"),
    "running-bg": ("#E8EDFD", "#182243"),
}

LAYERS = ("bronze", "silver", "gold")


@dataclass(frozen=True)
class Look:
    """A state on screen: its word, its Material symbol and the token family (`tone`) that colours it."""

    word: str
    symbol: str
    tone: str


STATES = {
    "passed": Look("Passed", "check_circle", "passed"),
    "warned": Look("Warned", "warning", "warned"),
    "failed": Look("Failed", "cancel", "failed"),
    "unexamined": Look("Not examined", "remove_circle", "unexamined"),
    "queued": Look("Queued", "schedule", "running"),
    "pending": Look("Waiting", "schedule", "unexamined"),
    "running": Look("Running", "progress_activity", "running"),
    "up_for_retry": Look("Trying again", "replay", "warned"),
    "succeeded": Look("Succeeded", "check_circle", "passed"),
    "interrupted": Look("Interrupted", "power_off", "warned"),
    "cancelled": Look("Cancelled", "block", "unexamined"),
    "skipped": Look("Skipped", "skip_next", "unexamined"),
    "stale": Look("Stale", "history", "warned"),
    "landed": Look("Landed", "check_circle", "passed"),
    "refused": Look("Refused", "cancel", "failed"),
    "started": Look("Started", "play_circle", "passed"),
    "joined": Look("Joined", "merge", "passed"),
    "missed": Look("Missed", "event_busy", "warned"),
}
"""Every state of a check, a run, a task, a batch or a tick."""


def look(state: str) -> Look:
    """How `state` looks; a word nobody declared is shown as it is, in grey."""
    return STATES.get(state) or Look(str(state).replace("_", " ").capitalize(), "help", "unexamined")


def colour(name: str, theme: str = "light") -> str:
    """The hex value of token `name` in `theme` (light or dark)."""
    light, dark = TOKENS[name]
    return dark if theme == "dark" else light
