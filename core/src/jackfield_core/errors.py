"""The errors of the core, named for what the caller does next.

A service raises one of these with a sentence that names the object and the
fact. Nothing here knows HTTP: ``api/faults.py`` holds the one table that turns
an error into a status. ``type`` is the name that Neutron's clients compare
(compute services branch on ``IpAddressInUse``, for example), so it is part of
the API.
"""


class JackfieldError(Exception):
    """Base of everything that the core raises on purpose."""

    default_type = "JackfieldError"

    def __init__(self, message: str, *, type: str | None = None, detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.type = type or self.default_type
        self.detail = detail


class Invalid(JackfieldError):
    """Raised when a request can never succeed as it stands."""

    default_type = "InvalidInput"


class NotFound(JackfieldError):
    """Raised when the named object does not exist, or not for this project."""

    default_type = "NotFound"

    @classmethod
    def of(cls, kind: str, id: str) -> "NotFound":
        """Return the error for an object: ``NotFound.of("network", id)``."""
        name = kind.capitalize()
        return cls(f"{name} {id} could not be found.", type=f"{name}NotFound")


class Conflict(JackfieldError):
    """Raised when the state of other objects forbids the request."""

    default_type = "Conflict"


class RevisionMismatch(JackfieldError):
    """Raised when ``If-Match`` names another revision than the current one."""

    default_type = "RevisionNumberConstraintFailed"


class Forbidden(JackfieldError):
    """Raised when who the caller is does not allow the request: its roles, or its certificate."""

    default_type = "PolicyNotAuthorized"


class OverQuota(JackfieldError):
    """Raised when a project has used up its quota."""

    default_type = "OverQuota"


class Exhausted(JackfieldError):
    """Raised when a pool that the operator sizes has nothing left."""

    default_type = "NoNetworkAvailable"


class DriverRejected(JackfieldError):
    """Raised when a mechanism driver refuses a change; *field* names an attribute at fault."""

    default_type = "MechanismDriverError"

    def __init__(self, message: str, *, driver: str, reason: str = "", field: str = "") -> None:
        super().__init__(message, detail=f"driver={driver} reason={reason}")
        self.driver = driver
        self.reason = reason
        self.field = field


class DriverUnavailable(JackfieldError):
    """Raised when a required mechanism driver gave no verdict; *retry_after* is in seconds."""

    default_type = "MechanismDriverUnavailable"

    def __init__(self, message: str, *, driver: str, retry_after: int = 5) -> None:
        super().__init__(message, detail=f"driver={driver}")
        self.driver = driver
        self.retry_after = retry_after
