"""The reference model: every resource that the suite made, and what the driver has acknowledged of it.

It is the core's half of the ledger. A resource has a newest revision; the driver has acknowledged
one, or none; from the two follow the action, the `original` and the digest of the next change.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from jackfield.driver.v1 import binding_pb2, change_pb2, network_pb2, port_pb2, subnet_pb2

from jackfield_sdk.conformance.facts import ACTION_NUMBERS, KIND_NUMBERS
from jackfield_sdk.conformance.mint import Spec, wrapped

# What differs from one resource to the next: identifiers, revisions and digests.
_OWN_TO_ONE = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|\b[0-9a-f]{16}\b|\b\d+\b")

Listing = dict[tuple[str, str], tuple[int, bytes]]
"""(kind, id) to (revision, digest), as `ListOwned` tells it."""


@dataclass(slots=True)
class Resource:
    """One resource of the suite; `stands_on` are its parents, the network first."""

    kind: str
    spec: Spec
    stands_on: tuple[Resource, ...] = ()
    host: binding_pb2.Host | None = None
    attributes: Mapping[str, bytes] = field(default_factory=dict)
    revision: int = 1
    acknowledged: Spec | None = None
    acknowledged_revision: int = 0
    acknowledged_digest: bytes = b""
    # The highest revision that was ever sent: a driver can hold no higher one.
    highest_sent: int = 0
    state: change_pb2.DriverState | None = None
    # True while nobody can know what the driver did with the last change.
    uncertain: bool = False
    # True if the core has no longer what was acknowledged, only that something was.
    original_lost: bool = False

    @property
    def id(self) -> str:
        """The identifier."""
        return self.spec.id

    @property
    def network(self) -> network_pb2.Network:
        """The network, of itself or of its parent."""
        spec = self.stands_on[0].spec if self.stands_on else self.spec
        assert isinstance(spec, network_pb2.Network)
        return spec

    @property
    def digest(self) -> bytes:
        """The digest of the newest state."""
        return digest_of(self.spec, self.attributes)

    def edit(self, *, revisions: int = 1) -> None:
        """Change it as a user would, so many revisions on."""
        spec = copy_of(self.spec)
        spec.name = f"{self.spec.name.partition(' ')[0]} r{self.revision + revisions}"
        if isinstance(spec, network_pb2.Network):
            spec.mtu = 1400 + (self.revision + revisions) % 50
        self.become(spec, revisions=revisions)

    def become(self, spec: Spec, *, revisions: int = 1) -> None:
        """Have another content, so many revisions on."""
        self.revision += revisions
        self.spec = spec

    def change(self, change_id: str, *, delete: bool = False, revision: int | None = None) -> change_pb2.Change:
        """Write the change that this driver is owed; a delete is one revision above the last state."""
        newest = self.revision + 1 if delete else self.revision
        change = change_pb2.Change(
            change_id=change_id,
            kind=KIND_NUMBERS[self.kind],
            id=self.id,
            action=ACTION_NUMBERS[self._action(delete)],
            revision=newest if revision is None else revision,
            project_id=self.spec.project_id,
            current=wrapped(self.spec),
            related=self._related(),
            attributes=self.attributes,
            state=self.state,
            digest=self.digest,
        )
        if self.acknowledged is not None and not self.original_lost:
            change.original.CopyFrom(wrapped(self.acknowledged))
        return change

    def acknowledge(self, change: change_pb2.Change) -> None:
        """Take a change for true on the device."""
        self.uncertain = False
        if change.action == change_pb2.ACTION_DELETE:
            self.forget()
            self.state = None
            return
        self.acknowledged = getattr(change.current, self.kind)
        self.acknowledged_revision, self.acknowledged_digest = change.revision, change.digest

    def forget(self) -> None:
        """Owe it again as CREATE, because the backend lost it."""
        self.acknowledged, self.acknowledged_revision, self.acknowledged_digest = None, 0, b""

    def _action(self, delete: bool) -> str:
        if delete:
            return "delete"
        return "create" if self.acknowledged is None else "update"

    def _related(self) -> change_pb2.Related | None:
        if self.kind == "network":
            return None
        related = change_pb2.Related(network=self.network)
        if isinstance(self.spec, port_pb2.Port):
            subnets = [each.spec for each in self.stands_on[1:]]
            related.subnets.extend([each for each in subnets if isinstance(each, subnet_pb2.Subnet)])
            bound = {level.segment_id for level in self.spec.binding.levels}
            related.segments.extend([each for each in self.network.segments if each.id in bound])
            if self.host is not None and self.spec.binding.host:
                related.host.CopyFrom(self.host)
        return related


def copy_of(spec: Spec) -> Spec:
    """Return a resource of its own with the same content."""
    copy = type(spec)()
    copy.CopyFrom(spec)  # type: ignore[arg-type]
    return copy


def orphaned(change: change_pb2.Change) -> change_pb2.Change:
    """Return a delete as the core sends it for what it knows from a listing only: by kind, id and revision."""
    bare = change_pb2.Change(
        change_id=change.change_id, kind=change.kind, id=change.id, action=change.action, revision=change.revision
    )
    kind = change.current.WhichOneof("resource")
    assert kind is not None
    getattr(bare.current, kind).id = change.id
    return bare


def digest_of(spec: Spec, attributes: Mapping[str, bytes]) -> bytes:
    """Mint the digest of a resource and its vendor attributes, as a core does."""
    content = hashlib.sha256(spec.SerializeToString(deterministic=True))
    for name in sorted(attributes):
        content.update(name.encode() + b"\0" + attributes[name])
    return content.digest()


def expected(resources: Iterable[Resource]) -> Listing:
    """Return what a driver must list of these resources."""
    return {
        (each.kind, each.id): (each.acknowledged_revision, each.acknowledged_digest)
        for each in resources
        if each.acknowledged is not None
    }


def differences(listing: Listing, wanted: Listing) -> list[str]:
    """Say in what a listing differs from the model; nothing if it does not."""
    said = []
    for (kind, id), (revision, digest) in wanted.items():
        found = listing.get((kind, id))
        if found is None:
            said.append(f"{kind} {id} is not listed, and was acknowledged at revision {revision}")
        elif found[0] != revision:
            said.append(f"{kind} {id} is listed at revision {found[0]}, and was acknowledged at {revision}")
        elif found[1] != digest:
            said.append(f"{kind} {id} is listed with digest {found[1].hex()[:16]}, sent was {digest.hex()[:16]}")
    said += [
        f"{kind} {id} is listed at revision {revision}, and must not be there"
        for (kind, id), (revision, _) in listing.items()
        if (kind, id) not in wanted
    ]
    return said


def trait_of(difference: str) -> str:
    """Return what a difference says of any resource: `port … is not listed, and was acknowledged at revision …`."""
    return _OWN_TO_ONE.sub("…", difference)
