"""What mechanism drivers answer, as plain values that know nothing of the wire."""

from typing import Any

from msgspec import Struct

from jackfield_core.db.attribute_schema import AttributeSchema
from jackfield_core.db.driver import BindCapability, Interest
from jackfield_core.db.port import Port
from jackfield_core.db.segment import Segment
from jackfield_core.db.tree import NetworkTree
from jackfield_core.types import BindingLevel

State = tuple[int, bytes]
"""Driver state as the ledger keeps it: version and data."""


class NoVerdict(Exception):
    """Raised when a driver was not asked, did not answer, or could not say.

    Whether the driver did anything is unknown, unless *attempted* is false (it
    was not called at all). *has_error_info* tells a driver that spoke for
    itself, and then gave a *reason* such as ``STALE_EPOCH``, from a connection
    that broke. *retry_after* is in seconds.
    """

    def __init__(
        self,
        driver: str,
        text: str,
        *,
        code: str = "UNAVAILABLE",
        reason: str = "",
        attempted: bool = True,
        has_error_info: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(f'driver "{driver}": {text}')
        self.driver = driver
        self.text = text
        self.code = code
        self.reason = reason
        self.attempted = attempted
        self.has_error_info = has_error_info
        self.retry_after = retry_after


class Garbage(NoVerdict):
    """Raised when an answer breaks the contract; none of it may be used."""

    def __init__(self, driver: str, text: str) -> None:
        super().__init__(driver, text, code="GARBAGE")


class Unfit(Exception):
    """Raised when a process answers, but is not the driver that is wanted, or cannot work."""


class Limits(Struct, frozen=True):
    """Bounds on what a driver is sent, in changes, requests and bytes."""

    max_batch: int = 100
    max_in_flight: int = 4
    max_state_bytes: int = 16384


class Backend(Struct, frozen=True):
    """A device or controller behind a driver; *health* is ``up``, ``degraded``, ``down`` or ``unknown``."""

    id: str
    epoch: str
    health: str
    message: str


class StateVersions(Struct, frozen=True):
    """Versions of state that a driver speaks: the oldest that it reads, and the newest, which it can write."""

    min_readable: int
    writes: int


class Handshake(Struct, frozen=True):
    """How a running driver introduced itself."""

    version: str
    instance_id: str
    interests: tuple[Interest, ...] = ()
    bind: BindCapability | None = None
    limits: Limits = Limits()
    backends: tuple[Backend, ...] = ()
    features: frozenset[str] = frozenset()
    state_versions: StateVersions | None = None
    schema_digest: bytes = b""
    """Digest of the schemas of its attributes; empty without the feature ``attributes``."""
    schemas: tuple[AttributeSchema, ...] | None = None
    """The schemas, if their digest is not the one that the core knew."""
    told_state_version: int | None = None
    """The version of state that this process was told to write; None if it writes its newest."""
    left_epochs: dict[str, str] | None = None
    """Epochs of the backends that this process of the core delivered to until now, if to another instance."""

    @property
    def writes_state_version(self) -> int | None:
        """The version of state that this process writes; None if it keeps no states."""
        if "states" not in self.features or self.state_versions is None:
            return None
        return self.state_versions.writes if self.told_state_version is None else self.told_state_version

    @property
    def epochs(self) -> dict[str, str]:
        """Epoch of each backend: a new one means that the backend may have lost everything."""
        return {backend.id: backend.epoch for backend in self.backends}


class Done(Struct, frozen=True):
    """A change is true on the device at the revision that was sent."""

    state: State | None = None
    attributes: dict[str, bytes] = {}


PLAINLY_DONE = Done()
"""Done, and nothing else to say: what is mostly answered."""


class Superseded(Struct, frozen=True):
    """The driver holds a higher *revision* than the one that was sent: somebody else has delivered that.

    Right if the core ever minted that revision; who asks has to look.
    """

    revision: int


class InProgress(Struct, frozen=True):
    """A change takes longer; send it again after *retry_after* seconds."""

    retry_after: float


class Failed(Struct, frozen=True):
    """A change is not true.

    *disposition* is ``retry``, ``infeasible``, ``conflict`` or ``bug``, *effect*
    is ``none``, ``maybe`` or ``partial``, *retry_after* is in seconds.
    """

    disposition: str
    reason: str
    user_message: str
    operator_message: str
    retry_after: float | None
    effect: str


PostcommitOutcome = dict[str, Done | Superseded | InProgress | Failed]
"""What became of each change, by change id; exactly the ids that were sent."""


class BindAsk(Struct, frozen=True):
    """A port to bind at one level, with the segments that may be chosen."""

    port: Port
    tree: NetworkTree
    segments: tuple[Segment, ...]
    level: int = 0
    bound_levels: tuple[BindingLevel, ...] = ()


class Bound(Struct, frozen=True):
    """The port is bound; *wired* if nothing on the host has to wire it."""

    segment_id: str
    vif_type: str
    vif_details: dict[str, Any]
    wired: bool


class NextLevel(Struct, frozen=True):
    """The level is bound; the next one needs a segment of this type."""

    segment_id: str
    network_type: str
    physical_network: str | None


class Skip(Struct, frozen=True):
    """The driver does not bind this port."""

    reason: str


class Veto(Struct, frozen=True):
    """No driver may bind this port."""

    reason: str


BindAnswer = Bound | NextLevel | Skip | Veto
