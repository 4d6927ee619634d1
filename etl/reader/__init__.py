"""A landed file → bronze records in Parquet and unreadable lines, every physical line accounted for."""

from __future__ import annotations

from etl.reader.read import Reader, ReadResult
from etl.reader.surveying import Survey, survey

__all__ = ["ReadResult", "Reader", "Survey", "survey"]
