"""Logs: one JSON object a line, the message a constant sentence, the rest in fields."""

from __future__ import annotations

import logging
import time
from typing import Any

from pythonjsonlogger.json import JsonFormatter


class Formatter(JsonFormatter):
    """JSON with the time in UTC, level, logger and message first."""

    @staticmethod
    def converter(seconds: float | None = None) -> time.struct_time:
        """The time in UTC; it would be the machine's own zone, which no line names."""
        return time.gmtime(seconds)

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        """Add the fields that every line has."""
        super().add_fields(log_data, record, message_dict)
        log_data["level"] = record.levelname


def configure_logging(level: str) -> None:
    """Write all logs of the process to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(Formatter("%(asctime)s %(level)s %(name)s %(message)s"))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # kopf tells of every event that it sees; ours say what came of it.
    logging.getLogger("kopf").setLevel(logging.WARNING)
