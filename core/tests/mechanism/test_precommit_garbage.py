"""Answers that are no verdict on a change: damaged, incomplete, or none at all."""

import random

import grpc
import pytest
from jackfield.driver.v1 import change_pb2, mechanism_pb2
from jackfield_core.errors import DriverRejected, DriverUnavailable
from support.verdicts import response, result

GARBAGE = {
    "bytes": b"\xff\xff\xff\xff",
    "nothing": response(),
    "unknown change": response(result("0"), result("77")),
    "wrong change": response(result("77")),
    "doubled change": response(result("0"), result("0")),
    "empty verdict": response(mechanism_pb2.PrecommitResult(change_id="0")),
    "endless state": response(
        result("0", accept=mechanism_pb2.Accept(state=change_pb2.DriverState(version=1, data=b"x" * 20000)))
    ),
    "impossible state version": response(
        result("0", accept=mechanism_pb2.Accept(state=change_pb2.DriverState(version=2**32 - 1)))
    ),
}


@pytest.mark.parametrize("answer", GARBAGE.values(), ids=GARBAGE.keys())
async def test_garbage_is_no_verdict(world, rows, answer):
    """An answer that breaks the contract refuses for a required driver, passes for an advisory one."""
    required, advisory = await world.driver("required"), await world.driver("advisory")
    advisory.answers("Precommit", answer)
    core = await world.core(required, advisory, advisory=["advisory"])

    change = rows.create_network()
    await core.manager.precommit([change])
    assert change.states == {}

    required.answers("Precommit", answer)
    with pytest.raises(DriverUnavailable, match='"required"'):
        await core.manager.precommit([rows.create_network()])

    required.behaves()
    await core.manager.precommit([rows.create_network()])


async def test_damaged_answers_have_three_ends(world, rows):
    """Whatever bytes come back, the change passes, is refused, or has no verdict; nothing else is raised."""
    fabric = await world.driver("fabric")
    core = await world.core(fabric)
    chance = random.Random(7)
    good = response(result("0", reject=mechanism_pb2.Reject(reason="NO", message="no", field="mtu")))
    ends = set()

    for _ in range(300):
        answer = bytearray(good.SerializeToString())
        for _ in range(chance.randint(1, 4)):
            answer[chance.randrange(len(answer))] = chance.randrange(256)
        fabric.answers("Precommit", bytes(answer))
        core.forgive(fabric)
        try:
            await core.manager.precommit([rows.create_network()])
        except (DriverRejected, DriverUnavailable) as error:
            ends.add(type(error))

    assert ends == {DriverRejected, DriverUnavailable}
    await world.eventually(lambda: core.entry(fabric).is_ready)


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
async def test_every_status_is_no_verdict(world, rows, code):
    """Whatever status ends the call, the change is refused as unavailable, and the next call works."""
    fabric = await world.driver("fabric")
    fabric.aborts("Precommit", code, "why ever")
    core = await world.core(fabric)

    with pytest.raises(DriverUnavailable):
        await core.manager.precommit([rows.create_network()])

    fabric.behaves()
    await core.manager.precommit([rows.create_network()])
