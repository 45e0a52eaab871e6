"""The contract is complete: every call has its page, every enum its zero, every secret its mark."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FileDescriptor, MethodDescriptor
from jackfield.driver.v1 import (
    binding_pb2,
    capability_pb2,
    change_pb2,
    driver_pb2,
    event_pb2,
    mechanism_pb2,
    network_pb2,
    port_pb2,
    reconcile_pb2,
    segment_pb2,
    sensitive_pb2,
    subnet_pb2,
)
from jackfield.node.v1 import node_pb2

FILES: list[FileDescriptor] = [
    module.DESCRIPTOR
    for module in (
        binding_pb2,
        capability_pb2,
        change_pb2,
        driver_pb2,
        event_pb2,
        mechanism_pb2,
        network_pb2,
        port_pb2,
        reconcile_pb2,
        segment_pb2,
        subnet_pb2,
        node_pb2,
    )
]
METHODS: list[MethodDescriptor] = [
    method for file in FILES for service in file.services_by_name.values() for method in service.methods
]
README = (Path(__file__).resolve().parents[1] / "README.md").read_text()


def test_all_calls_are_there() -> None:
    """The contract has the calls that the design names."""
    assert {method.name for method in METHODS} == {
        "Handshake", "GetSchemas", "UpgradeStates", "Drain", "Precommit", "Postcommit", "BindPorts", "ListOwned",
        "Diff", "Watch", "Sync",
    }  # fmt: skip


@pytest.mark.parametrize("method", METHODS, ids=lambda method: str(method.name))
def test_call_has_its_table(method: MethodDescriptor) -> None:
    """The page of every call holds a table of conditions, codes, and what the caller does."""
    section = re.search(rf"^#+ .*\b{method.name}\b.*?(?=^#+ |\Z)", README, re.MULTILINE | re.DOTALL)
    assert section, f"proto/README.md has no section on {method.name}"
    assert re.search(r"^\| *condition", section.group(), re.MULTILINE | re.IGNORECASE), f"{method.name} has no table"


def test_zero_of_every_enum_means_nothing() -> None:
    """A field that was not set is never mistaken for a choice."""
    wrong = [enum.full_name for enum in _enums() if not enum.values_by_number[0].name.endswith("_UNSPECIFIED")]
    assert wrong == []


def test_fields_that_may_hold_secrets_are_marked() -> None:
    """Logs mask by descriptor, so profile, attributes and state carry the option."""
    marked = {
        f"{message.name}.{field.name}"
        for message in _messages()
        for field in message.fields
        if field.GetOptions().Extensions[sensitive_pb2.sensitive]
    }
    assert marked >= {"Binding.profile", "Change.attributes", "DriverState.data"}


def _messages() -> Iterator[Descriptor]:
    return (message for file in FILES for message in file.message_types_by_name.values())


def _enums() -> Iterator[EnumDescriptor]:
    return (enum for file in FILES for enum in file.enum_types_by_name.values())
