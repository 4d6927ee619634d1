"""Regular expressions in the subset that DuckDB, PostgreSQL and Spark read alike."""

from __future__ import annotations

import re

PATTERN_HINT = (
    "A pattern may hold characters, . | ( ) (?: ) [abc] [^a-z] \\d \\w \\s ? * + {2} {2,} {2,5}, "
    "and ^ $ at its ends."
)
_CLASSES = {"d": "0-9", "w": "A-Za-z0-9_", "s": " \\t\\n\\r\\f"}
_QUANTIFIER = re.compile(r"[?*+]|\{\d{1,3}(,\d{0,3})?\}")
MOST_TIMES = 255
_PLAIN = re.compile(r"[^\\^$.|?*+()\[\]{}]")


class PatternFault(ValueError):
    """Something in a pattern that not every warehouse reads alike."""


def portable_pattern(pattern: str, *, whole: bool) -> str:
    """The pattern with its shorthands spelt out, so that every warehouse reads it alike.

    `whole` asks for ^ and $, because without them a pattern means a part to some tools, the whole to others.
    Raises PatternFault.
    """
    if whole and not (pattern.startswith("^") and pattern.endswith("$") and not pattern.endswith("\\$")):
        raise PatternFault(
            "it does not begin with ^ and end with $, so it is unclear whether it means the whole value"
        )
    scan = _Scan(pattern, whole)
    spelt = scan.run()
    try:
        re.compile(spelt)
    except re.error as fault:
        raise PatternFault(f"it is not a regular expression: {fault}") from None
    return spelt


class _Scan:
    """One walk over a pattern, a token at a time."""

    def __init__(self, pattern: str, whole: bool) -> None:
        self.pattern, self.whole, self.at, self.depth = pattern, whole, 0, 0
        self.spelt: list[str] = []

    def run(self) -> str:
        while self.at < len(self.pattern):
            self.token()
        if self.depth:
            raise PatternFault("a bracket is not closed")
        return "".join(self.spelt)

    def token(self) -> None:
        sign = self.pattern[self.at]
        if sign in "^$":
            self.anchor(sign)
        elif sign in "()|":
            self.group(sign)
        elif sign == "\\":
            self.put(self.escape(), 2)
        elif sign == "[":
            self.char_class()
        elif sign == ".":
            self.put("[^\\n]", 1)
        elif _PLAIN.match(sign):
            self.put(sign, 1)
        else:
            raise PatternFault(f"{sign!r} at character {self.at + 1} has nothing to stand for")
        if sign not in "^$(|":
            self.quantifier()

    def put(self, text: str, length: int) -> None:
        self.spelt.append(text)
        self.at += length

    def quantifier(self) -> None:
        found = _QUANTIFIER.match(self.pattern, self.at)
        if not found:
            return
        self.put(found.group(), len(found.group()))
        if any(int(times) > MOST_TIMES for times in re.findall(r"\d+", found.group())):
            raise PatternFault(
                f"{found.group()} asks for more than {MOST_TIMES} times, the most that PostgreSQL counts"
            )
        if self.pattern[self.at : self.at + 1] in {"?", "+", "*"}:
            raise PatternFault(
                f"{found.group()}{self.pattern[self.at]} (lazy or possessive) is not in the common subset"
            )

    def anchor(self, sign: str) -> None:
        if self.at != (0 if sign == "^" else len(self.pattern) - 1):
            raise PatternFault(f"{sign} may only stand at the {'beginning' if sign == '^' else 'end'}")
        self.put(sign, 1)

    def group(self, sign: str) -> None:
        if sign == "|" and self.whole and not self.depth:
            raise PatternFault(
                "| stands outside brackets, so ^ and $ each hold for one side only; write ^(?:a|b)$"
            )
        self.depth += {"(": 1, ")": -1, "|": 0}[sign]
        if self.depth < 0:
            raise PatternFault("a bracket is closed that was not opened")
        opening = self.pattern[self.at : self.at + 3]
        if opening.startswith("(?") and opening != "(?:":
            raise PatternFault(f"{opening!r} (looking around, names or flags) is not in the common subset")
        self.put("(?:" if sign == "(" else sign, 3 if opening == "(?:" else 1)

    def escape(self) -> str:
        sign = self.pattern[self.at + 1 : self.at + 2]
        if sign in _CLASSES:
            return f"[{_CLASSES[sign]}]"
        if sign and sign.lower() in _CLASSES:
            return f"[^{_CLASSES[sign.lower()]}]"
        if sign and (sign.isalnum() or not sign.isascii()):
            what = "a reference back to a group" if sign.isdigit() else "not in the common subset"
            raise PatternFault(f"\\{sign} is {what}")
        if not sign:
            raise PatternFault("it ends in a backslash")
        return "\\" + sign

    def char_class(self) -> None:
        end = self.at + 1
        body = "^" if self.pattern[end : end + 1] == "^" else ""
        end += len(body)
        while end < len(self.pattern) and self.pattern[end] != "]":
            sign = self.pattern[end]
            if sign == "[" or self.pattern[end : end + 2] == "&&":
                raise PatternFault(f"{sign!r} within [ ] means different things; write \\{sign}")
            length = 2 if sign == "\\" else 1
            body += self.class_escape(end) if sign == "\\" else sign
            end += length
        if end >= len(self.pattern) or body in {"", "^"}:
            raise PatternFault("[ is not closed, or nothing stands in it")
        self.put(f"[{body}]", end + 1 - self.at)

    def class_escape(self, at: int) -> str:
        sign = self.pattern[at + 1 : at + 2]
        if sign in _CLASSES:
            return _CLASSES[sign]
        if not sign or sign.isalnum():
            raise PatternFault(f"\\{sign} within [ ] is not in the common subset")
        return "\\" + sign
