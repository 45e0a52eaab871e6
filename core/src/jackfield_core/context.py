"""Who asks, and under which name the request is found again in the logs."""

import secrets
from dataclasses import dataclass, field


def _request_id() -> str:
    # 16 random bytes in the form "req-<uuid>", which OpenStack's clients print.
    raw = secrets.token_hex(16)
    return f"req-{raw[:8]}-{raw[8:12]}-{raw[12:16]}-{raw[16:20]}-{raw[20:]}"


@dataclass(frozen=True, slots=True)
class RequestContext:
    """The caller of one request; *is_service* means another service of the cloud, such as compute."""

    project_id: str = ""
    is_admin: bool = True
    is_service: bool = False
    request_id: str = field(default_factory=_request_id)

    @property
    def sees_hosts(self) -> bool:
        """True if the caller may know where ports are, and how they are plugged there."""
        return self.is_admin or self.is_service
