"""How the processes of this SDK log: structured, masked, to standard error, for people or for machines."""

from __future__ import annotations

import logging
import sys

import structlog

from jackfield_sdk._redaction import mask_messages
from jackfield_sdk.settings import LogLevel

log = structlog.get_logger("jackfield_sdk")


def configure_logging(level: LogLevel, *, json: bool) -> None:
    """Send every log line of the process to standard error, as one JSON object or as text."""
    # A trace that shows local variables shows messages, and those may hold secrets.
    as_text = structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
    )
    renderers = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()] if json else [as_text]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            mask_messages,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *renderers,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
