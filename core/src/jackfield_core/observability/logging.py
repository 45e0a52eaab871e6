"""Structured logs on standard error: event first, ids as fields.

A fault of ours is logged with its trace. A database that is away is none, and
meets every loop of the process about once a second; each of them says so in one
line, and then every half minute how often it kept quiet.
"""

import logging
import sys

import structlog
from structlog.types import EventDict, WrappedLogger

from jackfield_core import config
from jackfield_core.observability.outage import is_outage
from jackfield_core.observability.repeats import Repeats


def configure(settings: config.Logging) -> None:
    """Send structlog and the standard library's logs to standard error, in one format."""
    level = logging.getLevelNamesMapping()[settings.level]
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    renderer = structlog.processors.JSONRenderer() if settings.json_lines else _console()
    structlog.configure(
        processors=[Outages(), *shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer]
        )
    )
    logging.basicConfig(level=max(level, logging.WARNING), handlers=[handler], force=True)


class Outages:
    """Turns the trace of an outage into its reason, and drops what was said a moment ago."""

    def __init__(self) -> None:
        self._repeats = Repeats()

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        """Return *event* as it is to be logged.

        Raises:
            structlog.DropEvent: It is kept quiet.
        """
        error = sys.exc_info()[1] if event.get("exc_info") is True else None
        if error is None or not is_outage(error):
            return event
        reason = str(getattr(error, "orig", None) or error) or type(error).__name__
        repeated = self._repeats.count(str(event["event"]), str(event.get("driver", "")), reason)
        if repeated is None:
            raise structlog.DropEvent
        told = {name: value for name, value in event.items() if name != "exc_info"}
        return {**told, "reason": reason, "repeated": repeated}


def _console() -> structlog.dev.ConsoleRenderer:
    return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0)
