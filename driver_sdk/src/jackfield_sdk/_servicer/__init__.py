"""The driver's side of the contract: four gRPC services over one `MechanismDriver`.

A call is admitted (`process`), taken apart into changes (`batch`), each change takes its
resource's lane (`lanes`), is decoded, given to a hook (`hooks`, which block in `threads`), and
answered with what the core shall keep (`custody`, as `declared`). Whatever goes wrong inside one
change becomes that change's result; only a call as a whole is refused (`refusal`).
"""

from __future__ import annotations

import grpc.aio
from jackfield.driver.v1 import driver_pb2, event_pb2, mechanism_pb2, reconcile_pb2
from jackfield.driver.v1.driver_pb2_grpc import add_DriverServiceServicer_to_server
from jackfield.driver.v1.event_pb2_grpc import add_EventServiceServicer_to_server
from jackfield.driver.v1.mechanism_pb2_grpc import add_MechanismServiceServicer_to_server
from jackfield.driver.v1.reconcile_pb2_grpc import add_ReconcileServiceServicer_to_server

from jackfield_sdk._servicer.driver_service import DriverService
from jackfield_sdk._servicer.event_service import EventService
from jackfield_sdk._servicer.hooks import Hooks
from jackfield_sdk._servicer.mechanism_service import MechanismService
from jackfield_sdk._servicer.process import Process
from jackfield_sdk._servicer.reconcile_service import ReconcileService

__all__ = ["SERVICES", "Hooks", "Process", "add_servicers"]

SERVICES = (
    driver_pb2.DESCRIPTOR.services_by_name["DriverService"].full_name,
    mechanism_pb2.DESCRIPTOR.services_by_name["MechanismService"].full_name,
    reconcile_pb2.DESCRIPTOR.services_by_name["ReconcileService"].full_name,
    event_pb2.DESCRIPTOR.services_by_name["EventService"].full_name,
)


def add_servicers(server: grpc.aio.Server, process: Process, hooks: Hooks) -> None:
    """Serve the four services of `process` on `server`."""
    add_DriverServiceServicer_to_server(DriverService(process, hooks), server)
    add_MechanismServiceServicer_to_server(MechanismService(process, hooks), server)
    add_ReconcileServiceServicer_to_server(ReconcileService(process, hooks), server)
    add_EventServiceServicer_to_server(EventService(process), server)
