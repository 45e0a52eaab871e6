"""The model core: what a case holds in its hand to play the core with.

It makes resources, sends their changes, keeps the core's duties meanwhile, and takes each answer
apart: one result for each change, the revision that was sent, a state that fits. These rules hold
whatever a case is about, so a breach is reported under their own names.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

import grpc
from google.protobuf.duration_pb2 import Duration
from jackfield.driver.v1 import change_pb2, driver_pb2, mechanism_pb2

from jackfield_sdk._transport import MAX_MESSAGE_BYTES
from jackfield_sdk.conformance import SUITE_VERSION
from jackfield_sdk.conformance.endpoint import Endpoint
from jackfield_sdk.conformance.facts import FEATURES, KIND_NUMBERS, Facts
from jackfield_sdk.conformance.listing import Lister
from jackfield_sdk.conformance.mint import Mint
from jackfield_sdk.conformance.model import Listing, Resource, differences, expected, orphaned, trait_of
from jackfield_sdk.conformance.params import Params
from jackfield_sdk.conformance.results import checked_results
from jackfield_sdk.conformance.scrutiny import Scrutiny
from jackfield_sdk.conformance.supervisor import START_WITHIN, Supervisor
from jackfield_sdk.conformance.transcript import Refusal, Transcript
from jackfield_sdk.conformance.vendor_attributes import values_for
from jackfield_sdk.conformance.verdict import Broken, NotJudged, require
from jackfield_sdk.conformance.watcher import Watcher
from jackfield_sdk.conformance.wire import Wire

# Seconds within which a change that the driver takes on must be true.
_SETTLE_WITHIN = 60.0
# Times that a change is sent whose answer comes too late: a core sends it again, too.
_SENDS = 3
# Seconds for a verdict where no rule is about its budget.
_BUDGET = 10.0
# Seconds to wait at most before a change is sent again, whatever the driver asks for.
_LONGEST_WAIT = 2.0


@dataclass(frozen=True, slots=True)
class Options:
    """What the suite was told."""

    endpoint: Endpoint
    params: Params
    seed: int
    max_examples: int = 20


class Core:
    """Plays the core to one driver."""

    def __init__(self, options: Options, supervisor: Supervisor | None) -> None:
        """Open a connection; `introduce` makes the first call."""
        self.options = options
        self.params = options.params
        self.supervisor = supervisor
        self.transcript = Transcript()
        self.scrutiny = Scrutiny(f"sentinel-{uuid.uuid4().hex}")
        self.wire = Wire(options.endpoint, self.scrutiny, self.transcript)
        self._lister = Lister(self.wire)
        self.deployment_id = str(uuid.uuid4())
        self.instance_id = str(uuid.uuid4())
        # Everything that was made, and the part of it that is there for the whole run.
        self.made: list[Resource] = []
        self.residents: list[Resource] = []
        # What the case in progress made; it answers for nothing that others left behind.
        self.scope: set[tuple[str, str]] = set()
        self.before: Listing = {}
        self.foreign = ""
        self.watcher: Watcher | None = None
        self._schemas: list[driver_pb2.AttributeSchema] = []
        self._changes = count(1)

    # Who is there.

    @asynccontextmanager
    async def dial(self, max_message_bytes: int = MAX_MESSAGE_BYTES) -> AsyncIterator[Wire]:
        """Open another connection for a while."""
        wire = Wire(self.options.endpoint, self.scrutiny, self.transcript, max_message_bytes=max_message_bytes)
        try:
            yield wire
        finally:
            await wire.close()

    def greeting(self, **changes: Any) -> driver_pb2.HandshakeRequest:
        """Write the handshake of this core."""
        told: dict[str, Any] = {
            "core_version": f"conformance {SUITE_VERSION}",
            "core_instance_id": self.instance_id,
            "deployment_id": self.deployment_id,
            "contract_majors": [1],
            "features": FEATURES,
            "max_message_bytes": 16 * 1024 * 1024,
        }
        return driver_pb2.HandshakeRequest(**(told | changes))

    async def introduce(self) -> Facts:
        """Handshake, and judge by what the driver says from now on."""
        self.facts = Facts(await self.wire.call("Handshake", self.greeting()))
        self.mint = getattr(self, "mint", None) or Mint(self.facts, self.params, self.scrutiny.sentinel)
        self.scrutiny.driver = self.facts.driver
        self.wire.allow(self.facts.max_in_flight)
        return self.facts

    async def learn_schemas(self) -> None:
        """Ask for the schemas of the vendor's attributes, so that resources get values for them."""
        if self.facts.names("attributes"):
            answer = await self.wire.call("GetSchemas", driver_pb2.GetSchemasRequest())
            self._schemas = list(answer.schemas)

    def attributes(self, kind: str) -> dict[str, bytes]:
        """Return values for the vendor's attributes of a kind, as users may set them."""
        return values_for(kind, self._schemas, self.params.attributes.get(kind, {}), self.scrutiny.sentinel)

    async def introduce_again(self, within: float = START_WITHIN) -> None:
        """Wait until a driver that was stopped serves again; owe it everything if a backend lost its memory."""
        epochs, end = self.facts.epochs, time.monotonic() + within
        while isinstance(answer := await self.wire.attempt("Handshake", self.greeting()), Refusal):
            require(time.monotonic() < end, f"no handshake {within:g} s after the start: {answer}", "a handshake")
            await asyncio.sleep(0.05)
        await self.introduce()
        if self.facts.epochs != epochs:
            await self._owe_everything()

    # What there is.

    def takes(self, kind: str) -> bool:
        """Tell whether the driver wants to hear every action on a kind in postcommit."""
        return kind in self.facts.kinds("postcommit")

    async def stand(self, kind: str) -> Resource:
        """Make a resource that nobody was told of, on parents that the driver has acknowledged."""
        if kind == "network":
            return self._add(Resource("network", self.mint.network()))
        network = await self.settle_if_taken(await self.stand("network"))
        if kind == "subnet":
            return self.subnet_on(network)
        subnet = await self.settle_if_taken(self.subnet_on(network))
        return self.port_on(network, subnet)

    def subnet_on(self, network: Resource, *, ip_version: int = 4) -> Resource:
        """Make a subnet of a network."""
        return self._add(Resource("subnet", self.mint.subnet(network.network, ip_version=ip_version), (network,)))

    def port_on(self, network: Resource, subnet: Resource) -> Resource:
        """Make a port that is bound on the first host, by this driver if it binds."""
        spec = self.mint.port(network.network, subnet.spec)  # type: ignore[arg-type]
        level = spec.binding.levels.add()
        level.driver, level.segment_id = self.facts.driver, network.network.segments[0].id
        spec.binding.vif_type = "other"
        return self._add(Resource("port", spec, (network, subnet), self.mint.host()))

    def sibling(self, resource: Resource) -> Resource:
        """Make another resource of the same kind on the same parents."""
        match resource.kind:
            case "network":
                return self._add(Resource("network", self.mint.network()))
            case "subnet":
                return self.subnet_on(*resource.stands_on)
        return self.port_on(*resource.stands_on)

    async def settle_if_taken(self, resource: Resource) -> Resource:
        """Make a resource true if the driver wants to hear of its kind."""
        if self.takes(resource.kind):
            await self.settle(resource)
        return resource

    # What is sent.

    def change(self, resource: Resource, *, delete: bool = False, revision: int | None = None) -> change_pb2.Change:
        """Write the change that the driver is owed, under a new id."""
        change = resource.change(f"change-{next(self._changes)}", delete=delete, revision=revision)
        resource.highest_sent = max(resource.highest_sent, change.revision)
        return change

    def request(self, changes: Sequence[change_pb2.Change], epoch: int = 0) -> mechanism_pb2.PostcommitRequest:
        """Write a Postcommit, with the epoch of now unless another is given."""
        return mechanism_pb2.PostcommitRequest(changes=changes, epoch=epoch or time.time_ns() // 1_000)

    async def send(
        self, changes: Sequence[change_pb2.Change], *, wire: Wire | None = None, epoch: int = 0
    ) -> dict[str, mechanism_pb2.PostcommitResult]:
        """Make one Postcommit, again if it is late, and return its results by change id, taken apart."""
        limit, request = min(10.0 + 0.02 * len(changes), 60.0), self.request(changes, epoch)
        for _ in range(_SENDS):
            answer = await (wire or self.wire).attempt("Postcommit", request, limit)
            if not (isinstance(answer, Refusal) and answer.code is grpc.StatusCode.DEADLINE_EXCEEDED):
                break
        if isinstance(answer, Refusal):
            raise Broken(f"Postcommit was refused: {answer}", "an answer")
        return checked_results(changes, answer.results, "outcome", self)

    async def final(self, change: change_pb2.Change) -> mechanism_pb2.PostcommitResult:
        """Send one change until it is done, and return that; `Broken` if it cannot be made."""
        end = time.monotonic() + _SETTLE_WITHIN
        while (result := (await self.send([change]))[change.change_id]).WhichOneof("outcome") != "done":
            wait = self._wait_for(result, change)
            require(time.monotonic() + wait < end, f"not true {_SETTLE_WITHIN:g} s later", "done, in the end")
            await asyncio.sleep(wait)
        return result

    async def settle(
        self, *resources: Resource, delete: bool = False, as_orphan: bool = False, wire: Wire | None = None
    ) -> None:
        """Send the changes of resources of one kind until all are true; to delete `as_orphan` is to know only ids."""
        open_ones, end = {each.id: each for each in resources}, time.monotonic() + _SETTLE_WITHIN
        while open_ones:
            changes = [self.change(each, delete=delete) for each in open_ones.values()]
            if as_orphan:
                changes = [orphaned(change) for change in changes]
            wait = 0.0
            for batch in _batches(changes, self.facts.batch):
                results = await self.send(batch, wire=wire)
                wait = max([wait, *(self._take(open_ones, change, results) for change in batch)])
            if open_ones:
                require(time.monotonic() + wait < end, f"not true {_SETTLE_WITHIN:g} s later", "done, in the end")
                await asyncio.sleep(wait)

    async def remove(self, *resources: Resource) -> None:
        """Delete resources of one kind, and forget them once the driver has."""
        await self.settle(*[each for each in resources if self.takes(each.kind)], delete=True)
        for each in resources:
            each.forget()
            if each.kind == "network":
                self.mint.release(each.network)
        self.made = [each for each in self.made if each not in resources]

    async def precommit(
        self, changes: Sequence[change_pb2.Change], *, budget: float = _BUDGET
    ) -> dict[str, mechanism_pb2.PrecommitResult]:
        """Make one Precommit and return its verdicts by change id."""
        told = Duration()
        told.FromMilliseconds(int(budget * 1_000))
        request = mechanism_pb2.PrecommitRequest(changes=changes, budget=told)
        response = await self.wire.call("Precommit", request)
        return checked_results(changes, response.results, "verdict", self)

    # What is compared.

    async def owned(self, kinds: Iterable[str] = ()) -> Listing:
        """List everything that the deployment owns, by (kind, id); of several backends, the one that is behind."""
        return await self._lister.whole(kinds)

    async def ours(self) -> Listing:
        """List what the suite made."""
        return {key: value for key, value in (await self.owned()).items() if key not in self.before}

    def listable(self, resources: Iterable[Resource]) -> list[Resource]:
        """Return those of the resources whose kind leaves something to list."""
        kinds = self.params.owned_kinds
        return [each for each in resources if kinds is None or each.kind in kinds]

    async def expect_listing(self, *, whole: bool = False, rule: str | None = None) -> None:
        """Compare the listing with the model; `Broken`, of `rule`, says in what. Skipped without the feature.

        A case compares what it made itself, unless it asks for the `whole` listing.
        """
        if not self.facts.names("list_owned"):
            return
        wanted = expected(each for each in self.listable(self.made) if not each.uncertain)
        uncertain = {(each.kind, each.id) for each in self.made if each.uncertain}
        found = {key: value for key, value in (await self.ours()).items() if key not in uncertain}
        if not whole:
            found = {key: value for key, value in found.items() if key in self.scope}
            wanted = {key: value for key, value in wanted.items() if key in self.scope}
        said = differences(found, wanted)
        if said:
            traits = frozenset(map(trait_of, said)) if whole else frozenset()
            raise Broken("; ".join(said[:5]), "the listing equals what was acknowledged", rule=rule, traits=traits)

    async def _owe_everything(self) -> None:
        """Send what was acknowledged as CREATE again, parents first, because a backend has a new epoch."""
        held = [each for each in self.made if each.acknowledged is not None]
        for each in held:
            each.forget()
        for kind in KIND_NUMBERS:
            await self.settle(*[each for each in held if each.kind == kind and self.takes(kind)])

    def _add(self, resource: Resource) -> Resource:
        resource.attributes = self.attributes(resource.kind)
        self.scope.add((resource.kind, resource.id))
        self.made.append(resource)
        return resource

    def _take(self, open_ones: dict[str, Resource], change: change_pb2.Change, results: dict[str, Any]) -> float:
        """Close what is done, and return how long to wait for what is not."""
        result, resource = results[change.change_id], open_ones[change.id]
        if result.WhichOneof("outcome") != "done":
            return self._wait_for(result, change)
        self.acknowledge(resource, change, result)
        del open_ones[change.id]
        return 0.0

    def acknowledge(
        self, resource: Resource, change: change_pb2.Change, result: mechanism_pb2.PostcommitResult
    ) -> None:
        """Keep what a `done` gives to keep; the revision must be the one that was sent."""
        revision = result.done.revision
        wanted = f"revision {change.revision}, the one sent"
        require(revision == change.revision, f"done with revision {revision} of {resource.kind}", wanted, rule="C18")
        resource.acknowledge(change)
        if result.done.HasField("state"):
            resource.state = result.done.state

    def _wait_for(self, result: mechanism_pb2.PostcommitResult, change: change_pb2.Change) -> float:
        """Return how long to wait before a change is sent again; `Broken` if it failed for good."""
        if result.WhichOneof("outcome") == "in_progress":
            return float(min(result.in_progress.retry_after.ToTimedelta().total_seconds(), _LONGEST_WAIT))
        failed, final = result.failed, (change_pb2.DISPOSITION_INFEASIBLE, change_pb2.DISPOSITION_CONFLICT)
        what = f"{change_pb2.Disposition.Name(failed.disposition)} {failed.reason}: {failed.operator_message}"
        if failed.disposition in final:
            raise Broken(f"a change that can be made failed with {what}", "done; --params says what can be made")
        if failed.disposition == change_pb2.DISPOSITION_BUG:
            raise Broken(f"a change failed with {what}", "done")
        return 0.2


def _batches(changes: Sequence[change_pb2.Change], size: int) -> Iterable[Sequence[change_pb2.Change]]:
    for start in range(0, len(changes), size):
        yield changes[start : start + size]


def not_judged_without(condition: object, reason: str) -> None:
    """Raise `NotJudged` unless the condition holds."""
    if not condition:
        raise NotJudged(reason)
