"""`DriverService`: who this process is, what it wants to hear, and how it is asked to finish."""

from __future__ import annotations

import structlog
from jackfield.driver.v1 import capability_pb2, change_pb2, driver_pb2
from jackfield.driver.v1.driver_pb2_grpc import DriverServiceServicer

from jackfield_sdk._convert import decode, encode
from jackfield_sdk._redaction import trace_of
from jackfield_sdk._servicer.hooks import Hooks
from jackfield_sdk._servicer.process import Process
from jackfield_sdk._servicer.refusal import RpcContext, answered, refused
from jackfield_sdk.context import DriverState
from jackfield_sdk.errors import DriverError, Effect, Infeasible
from jackfield_sdk.reasons import CallReason, ChangeReason

log = structlog.get_logger("jackfield_sdk")

CONTRACT_MAJOR = 1


class DriverService(DriverServiceServicer):
    """Introduces one driver process."""

    def __init__(self, process: Process, hooks: Hooks) -> None:
        self._process = process
        self._driver = process.driver
        self._hooks = hooks

    @property
    def driver_name(self) -> str:
        """The domain of refusals."""
        return self._driver.name

    @answered
    async def Handshake(  # noqa: N802
        self,
        request: driver_pb2.HandshakeRequest,
        context: RpcContext,
    ) -> driver_pb2.HandshakeResponse:
        """Say who this is and what it wants; a driver that could not load says why instead."""
        if request.deployment_id:
            self._driver.deployment_id = request.deployment_id
        self._process.custody.agree(request)
        response = self._introduction(request)
        if self._process.load_error is None:
            await self._declare(response, context)
        else:
            response.load_error = self._process.load_error
        return response

    @answered
    async def GetSchemas(  # noqa: N802
        self,
        request: driver_pb2.GetSchemasRequest,
        context: RpcContext,
    ) -> driver_pb2.GetSchemasResponse:
        """Return the schemas of the driver's own attributes, unless the core knows them."""
        self._process.require_loaded()
        declared = self._process.custody.declared
        schemas = [] if request.known_digest == declared.digest else declared.schemas()
        return driver_pb2.GetSchemasResponse(digest=declared.digest, schemas=schemas)

    @answered
    async def UpgradeStates(  # noqa: N802
        self,
        request: driver_pb2.UpgradeStatesRequest,
        context: RpcContext,
    ) -> driver_pb2.UpgradeStatesResponse:
        """Rewrite states in a thread, because there may be thousands."""
        self._process.require_loaded()
        self._guard_version(request.to_version)
        results = await self._hooks.in_thread(self._upgrade, request)
        return driver_pb2.UpgradeStatesResponse(results=results)

    @answered
    async def Drain(  # noqa: N802
        self,
        request: driver_pb2.DrainRequest,
        context: RpcContext,
    ) -> driver_pb2.DrainResponse:
        """Take nothing new and wait for what is in flight."""
        grace = request.grace.seconds + request.grace.nanos / 1e9
        log.info("driver.draining", driver=self.driver_name, grace=grace)
        return driver_pb2.DrainResponse(in_flight=await self._process.drain(grace))

    def _guard_version(self, to_version: int) -> None:
        versions = self._driver.state_versions
        if versions is None:
            raise refused(CallReason.NOT_SERVED, "this driver keeps no states")
        if not versions.min_readable <= to_version <= versions.writes:
            message = f"version {to_version} is not from {versions.min_readable} to {versions.writes}"
            raise refused(CallReason.UNSUPPORTED, message, field="to_version")

    def _introduction(self, request: driver_pb2.HandshakeRequest) -> driver_pb2.HandshakeResponse:
        settings, versions = self._process.settings, self._driver.state_versions
        return driver_pb2.HandshakeResponse(
            driver_name=self._driver.name,
            driver_version=self._driver.version,
            instance_id=self._process.instance_id,
            contract_major=CONTRACT_MAJOR if CONTRACT_MAJOR in request.contract_majors else 0,
            limits=capability_pb2.Limits(
                max_batch=settings.max_batch,
                max_in_flight=settings.max_in_flight,
                max_state_bytes=settings.max_state_bytes,
            ),
            state_version=encode.state_versions(versions) if versions else None,
            schema_digest=self._process.custody.declared.digest,
        )

    async def _declare(self, response: driver_pb2.HandshakeResponse, context: RpcContext) -> None:
        try:
            response.features.extend(self._features())
            response.interests.extend([encode.interest(interest) for interest in self._driver.interests()])
            backends = await self._process.backends.tell(context)
            response.backends.extend([encode.backend(backend) for backend in backends])
            bind = self._driver.bind_capability()
        except Exception as error:
            log.error("handshake.failed", driver=self.driver_name, exc_info=error)
            response.load_error = f"the driver cannot tell what it is: {type(error).__name__}; its log has the trace"
            return
        if bind is not None:
            response.bind.CopyFrom(encode.bind_capability(bind))

    def _features(self) -> list[str]:
        served = [name for name in ("list_owned", "diff") if self._hooks.find(name)]
        return ["watch", *served, *self._process.custody.features()]

    def _upgrade(self, request: driver_pb2.UpgradeStatesRequest) -> list[driver_pb2.UpgradeStatesResult]:
        return [self._upgrade_one(keyed, request.to_version) for keyed in request.states]

    def _upgrade_one(self, keyed: driver_pb2.KeyedState, to_version: int) -> driver_pb2.UpgradeStatesResult:
        try:
            kind = decode.KINDS.get(keyed.kind)
            if kind is None:
                raise Infeasible(f"kind {keyed.kind} is not served", code=ChangeReason.UNSUPPORTED, effect=Effect.NONE)
            old = DriverState(keyed.state.version, keyed.state.data)
            new = self._driver.upgrade_state(kind, keyed.id, old, to_version)
            state = self._process.custody.state(new, to_version)
            return driver_pb2.UpgradeStatesResult(id=keyed.id, state=state)
        except Exception as error:
            return driver_pb2.UpgradeStatesResult(id=keyed.id, error=self._failure(keyed, error))

    def _failure(self, keyed: driver_pb2.KeyedState, error: Exception) -> change_pb2.Error:
        if isinstance(error, DriverError):
            return encode.error(error)
        trace = trace_of(error, keyed)
        log.error("hook.failed", driver=self.driver_name, hook="upgrade_state", id=keyed.id, exception=trace)
        return encode.bug(error)
