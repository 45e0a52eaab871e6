"""Hooks that block: in a bounded pool, and with the resource locked until they are out."""

from __future__ import annotations

import asyncio
import threading

from jackfield_sdk import (
    Action,
    Done,
    MechanismDriver,
)
from jackfield_sdk.testing import a_network, a_subnet, running


class Blocking(MechanismDriver):
    """A driver over a library that blocks."""

    name = "blocking"

    def __init__(self):
        self.threads, self.free, self.inside = set(), threading.Event(), []

    def create_network_postcommit(self, context):
        self.threads.add(threading.current_thread().name)
        self.inside.append(context.current.id)
        self.free.wait(120)
        self.inside.remove(context.current.id)

    def create_subnet_postcommit(self, context):
        self.threads.add(threading.current_thread().name)


async def test_blocking_hooks_run_in_a_bounded_pool_and_hold_up_nothing(tmp_path, eventually):
    """With every thread blocked, the handshake is still answered."""
    driver = Blocking()
    async with running(driver, tmp_path, threads=2) as core:
        calls = [asyncio.create_task(core.postcommit(Action.CREATE, a_network())) for _ in range(4)]
        await eventually(lambda: len(driver.inside) == 2)

        assert (await core.handshake()).driver_name == "blocking"
        assert len(driver.inside) == 2
        driver.free.set()
        assert await asyncio.gather(*calls) == [Done(revision=1)] * 4

    assert len(driver.threads) == 2
    assert threading.current_thread().name not in driver.threads


async def test_a_call_that_was_given_up_keeps_its_lane_until_the_thread_is_out(tmp_path, eventually):
    """A successor must not touch the device while an abandoned hook still does."""
    driver = Blocking()
    network = a_network()
    async with running(driver, tmp_path) as core:
        given_up = asyncio.create_task(core.postcommit(Action.CREATE, network))
        await eventually(lambda: driver.inside)
        given_up.cancel()
        successor = asyncio.create_task(core.postcommit(Action.CREATE, network))
        other = await core.postcommit(Action.CREATE, a_subnet(network), network=network)
        assert other == Done(revision=1)
        assert driver.inside == [network.id], "the successor waits"

        driver.free.set()
        assert await successor == Done(revision=1)
