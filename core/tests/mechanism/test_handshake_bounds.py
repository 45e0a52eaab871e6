"""What a driver says of itself is believed within bounds."""

from typing import Any

import pytest
from jackfield.driver.v1 import capability_pb2, driver_pb2
from jackfield_core.mechanism import handshake
from jackfield_core.mechanism.answers import Garbage, Handshake, Limits, Unfit


def read(**fields: Any) -> Handshake:
    """Read a good handshake with *fields* spoiled."""
    good: dict[str, Any] = {"driver_name": "fabric", "contract_major": 1, "instance_id": "1", "driver_version": "1"}
    response = driver_pb2.HandshakeResponse(**{**good, **fields})
    return handshake.read("fabric", driver_pb2.HandshakeRequest(), response)


def test_limits_are_bounded_by_those_of_the_core() -> None:
    """A driver may ask for less than the core's limits, not for more; nothing means the defaults."""
    most = capability_pb2.Limits(max_batch=2**32 - 1, max_in_flight=2**32 - 1, max_state_bytes=2**32 - 1)

    assert read().limits == Limits(100, 4, 16384)
    assert read(limits=capability_pb2.Limits(max_batch=7)).limits == Limits(7, 4, 16384)
    assert read(limits=most).limits == Limits(10_000, 1000, 65536)


@pytest.mark.parametrize(
    "fields",
    [
        {"instance_id": ""},
        {"instance_id": "x" * 256},
        {"instance_id": "a\x00b"},
        {"driver_version": "1\x1b[31m"},
        {"backends": [capability_pb2.Backend(id="a"), capability_pb2.Backend(id="a")]},
        {"backends": [capability_pb2.Backend(id=str(number)) for number in range(1001)]},
    ],
)
def test_nonsense_is_garbage(fields: dict[str, Any]) -> None:
    """A name that cannot be stored or shown, and backends that cannot be told apart, break the contract."""
    with pytest.raises(Garbage):
        read(**fields)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"load_error": "no\x00 switch\r\n" + "x" * 10_000}, "it could not load: no  switch"),
        ({"driver_name": "\x1b[2Jother"}, 'the process calls itself "[2Jother"'),
    ],
)
def test_reasons_are_one_short_line(fields: dict[str, Any], text: str) -> None:
    """Why a driver cannot work is shown to operators without what its author put between the lines."""
    with pytest.raises(Unfit) as unfit:
        read(**fields)

    assert str(unfit.value).startswith(text)
    assert str(unfit.value).isprintable()
    assert len(str(unfit.value)) < 600
