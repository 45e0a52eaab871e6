"""What a NETCONF server says when it does not do what it was asked: the errors of RFC 6241, appendix A."""

from dataclasses import dataclass, field
from xml.sax.saxutils import escape


@dataclass(frozen=True, slots=True)
class RpcError:
    """One ``<rpc-error>``."""

    tag: str
    message: str = ""
    path: str = ""
    type: str = "application"
    severity: str = "error"
    info: dict[str, str] = field(default_factory=dict)

    def xml(self) -> str:
        """Return the element."""
        words = {"error-type": self.type, "error-tag": self.tag, "error-severity": self.severity}
        words |= {"error-path": self.path, "error-message": self.message or f"{self.tag} it is"}
        parts = [f"<{name}>{escape(word)}</{name}>" for name, word in words.items() if word]
        if self.info:
            parts.append(f"<error-info>{''.join(f'<{k}>{escape(v)}</{k}>' for k, v in self.info.items())}</error-info>")
        return f"<rpc-error>{''.join(parts)}</rpc-error>"


class Refused(Exception):
    """The request is answered with errors."""

    def __init__(self, *errors: RpcError) -> None:
        super().__init__(", ".join(error.tag for error in errors))
        self.errors = errors


KINDS = (
    "in-use",
    "invalid-value",
    "too-big",
    "missing-attribute",
    "bad-attribute",
    "unknown-attribute",
    "missing-element",
    "bad-element",
    "unknown-element",
    "unknown-namespace",
    "access-denied",
    "lock-denied",
    "resource-denied",
    "rollback-failed",
    "data-exists",
    "data-missing",
    "operation-not-supported",
    "operation-failed",
    "malformed-message",
)
"""Every ``error-tag`` that a server may send."""
