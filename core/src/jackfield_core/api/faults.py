"""Errors as HTTP: one table, and Neutron's body around the words of the error.

Clients tell errors apart by status and ``type``; compute services compare the
type names literally. What is in no row of the table is a fault of ours: the
client learns that much and no more, the log gets the trace.
"""

from collections.abc import Mapping
from http import HTTPStatus

import msgspec
import structlog
from starlette.exceptions import HTTPException

from jackfield_core import errors
from jackfield_core.api.message import Answer
from jackfield_core.observability.outage import is_outage

log = structlog.get_logger()

BAD_REQUEST = "HTTPBadRequest"
"""Type of errors that Neutron raises while it reads a request."""

STATUS: Mapping[type[errors.JackfieldError], int] = {
    errors.Invalid: 400,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.RevisionMismatch: 412,
    errors.Forbidden: 403,
    errors.OverQuota: 409,
    errors.Exhausted: 503,
    errors.DriverRejected: 409,
    errors.DriverUnavailable: 503,
}

_HTTP_TYPES = {
    400: BAD_REQUEST,
    404: "HTTPNotFound",
    405: "HTTPMethodNotAllowed",
    413: "HTTPRequestEntityTooLarge",
    414: "HTTPRequestURITooLong",
}
_HTTP_MESSAGES = {404: "The resource could not be found."}

_encode = msgspec.json.Encoder().encode


def bad_request(message: str) -> errors.Invalid:
    """Return the error for a request that cannot be read."""
    return errors.Invalid(message, type=BAD_REQUEST)


def answer(error: Exception) -> Answer:
    """Return what the client is told of *error*."""
    if isinstance(error, errors.JackfieldError):
        status = next((STATUS[one] for one in type(error).__mro__ if one in STATUS), 500)
        if isinstance(error, errors.DriverRejected) and error.field:
            status = 400
        return _answer(status, error.type, error.message, error.detail, _retry_after(error))
    if isinstance(error, HTTPException):
        type_ = _HTTP_TYPES.get(error.status_code, "HTTPException")
        message = _HTTP_MESSAGES.get(error.status_code, error.detail)
        headers = [(name.encode(), value.encode()) for name, value in (error.headers or {}).items()]
        return _answer(error.status_code, type_, message, "", headers)
    if is_outage(error):
        log.error("http.database_away", reason=str(getattr(error, "orig", None) or error))
        message = "The database does not answer; please try again."
        return _answer(503, "HTTPServiceUnavailable", message, "", [(b"retry-after", b"5")])
    log.error("http.failed", exc_info=error)
    message = "Request Failed: internal server error while processing your request."
    return _answer(HTTPStatus.INTERNAL_SERVER_ERROR, "HTTPInternalServerError", message, "", [])


def _retry_after(error: errors.JackfieldError) -> list[tuple[bytes, bytes]]:
    if isinstance(error, errors.DriverUnavailable):
        return [(b"retry-after", str(error.retry_after).encode())]
    return []


def _answer(status: int, type: str, message: str, detail: str, headers: list[tuple[bytes, bytes]]) -> Answer:
    body = {"NeutronError": {"type": type, "message": _printable(message), "detail": _printable(detail)}}
    return Answer(status, _encode(body), headers)


def _printable(text: str) -> str:
    # A lone surrogate, from a driver's words or a strange path, has no UTF-8.
    return text.encode("utf-8", "replace").decode()
