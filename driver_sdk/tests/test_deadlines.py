"""What happens when time is over: hooks know it, queued work is dropped, and nothing keeps a process."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import Future

import grpc
import pytest
from jackfield_sdk import Action, Done, MechanismDriver
from jackfield_sdk._servicer.threads import Threads
from jackfield_sdk.testing import Core, RecordingDriver, a_host, a_network, a_port, running


async def test_every_hook_knows_how_much_time_is_left(tmp_path):
    """Of the call's deadline, or of the precommit's budget if that is shorter."""
    driver = RecordingDriver()
    left = []

    async def remember(context):
        left.append(context.remaining())

    for hook in ("create_network_precommit", "create_network_postcommit", "bind_port"):
        driver.script.answer(hook, remember)
    network = a_network()
    async with running(driver, tmp_path, timeout=600.0) as core:
        await core.precommit(Action.CREATE, network, budget=200.0)
        await core.postcommit(Action.CREATE, network)
        await core.bind(a_port(network), network, a_host())
        await core.precommit(Action.CREATE, network, budget=0.1)
        context = driver.script.called("create_network_precommit")[-1]
        await asyncio.sleep(context.remaining() + 0.01)

    # gRPC rounds a time-out up when it writes it into a header, by one per cent at most.
    assert 100 < left[0] <= 200
    assert 500 < left[1] <= 606
    assert 500 < left[2] <= 606
    assert context.remaining() == 0


class Blocking(MechanismDriver):
    name = "blocking"

    def __init__(self):
        self.began, self.go_on = [], threading.Event()

    def create_network_postcommit(self, context):
        self.began.append(context.current.id)
        assert self.go_on.wait(120)


async def test_work_that_is_given_up_before_a_thread_is_free_never_begins(tmp_path, eventually):
    """The core sends it again, and nobody waits for the answer of the first time."""
    driver, first, abandoned, last = Blocking(), a_network(), a_network(), a_network()
    async with running(driver, tmp_path, threads=1) as core:
        at_work = asyncio.create_task(core.postcommit(Action.CREATE, first))
        await eventually(lambda: driver.began)
        given_up = asyncio.create_task(core.postcommit(Action.CREATE, abandoned))
        await eventually(lambda: core.server._process.in_flight == 2)
        given_up.cancel()
        # The driver hears a moment later than the caller that nobody waits any more.
        await eventually(lambda: core.server._process.in_flight == 1)
        driver.go_on.set()

        assert await at_work == Done(revision=1)
        assert await core.postcommit(Action.CREATE, last) == Done(revision=1)
        began = list(driver.began)
        assert await core.postcommit(Action.CREATE, abandoned) == Done(revision=1)

    assert given_up.cancelled()
    assert began == [first.id, last.id]


async def test_an_async_hook_is_cancelled_when_nobody_waits_for_it(tmp_path, eventually):
    """And the same resource can be worked on again at once."""
    driver, network = RecordingDriver(), a_network()
    stopped = []

    async def wait(context):
        try:
            await asyncio.Event().wait()
        finally:
            stopped.append(context.current.id)

    driver.script.answer("create_network_postcommit", wait)
    async with running(driver, tmp_path) as core:
        given_up = asyncio.create_task(core.postcommit(Action.CREATE, network))
        await eventually(lambda: driver.script.calls)
        given_up.cancel()
        await eventually(lambda: stopped)

        assert await core.postcommit(Action.CREATE, network) == Done(revision=1)


def test_a_pool_has_no_more_threads_than_it_may_and_no_more_than_it_needs():
    """One after the other needs one; many at once share what is allowed."""
    threads, inside, most, gate = Threads(3, "test"), [], [], threading.Event()
    assert [threads.submit(pow, 2, n).result(60) for n in range(4)] == [1, 2, 4, 8]
    assert len(threads._threads) == 1

    def work():
        inside.append(None)
        most.append(len(inside))
        gate.wait(60)
        inside.pop()

    futures = [threads.submit(work) for _ in range(9)]
    gate.set()
    for future in futures:
        future.result(60)
    threads.close()

    assert max(most) <= 3
    assert len(threads._threads) == 3


def test_a_thread_is_free_as_soon_as_its_answer_is_there(monkeypatch):
    """Whoever asks again at once needs no second thread, however slow the first one is to come back."""
    threads, go_on, call_back = Threads(3, "test"), threading.Event(), Future._invoke_callbacks
    monkeypatch.setattr(Future, "_invoke_callbacks", lambda future: go_on.wait(60) and call_back(future))
    first = threads.submit(pow, 2, 3)
    assert first.result(60) == 8

    second = threads.submit(pow, 2, 4)
    assert len(threads._threads) == 1

    go_on.set()
    assert second.result(60) == 16
    threads.close()


HANGING = """
import asyncio, sys, threading
from jackfield_sdk import MechanismDriver, ServerSettings, serve

class Hanging(MechanismDriver):
    name = "hanging"

    async def start(self):
        self._for_ever = asyncio.create_task(asyncio.to_thread(threading.Event().wait))

    def create_network_postcommit(self, context):
        print("began", flush=True)
        threading.Event().wait()

    async def stop(self):
        print("stopped", flush=True)

serve(Hanging(), ServerSettings(listen=sys.argv[1], drain_grace=0.2))
"""


async def test_a_thread_that_hangs_does_not_keep_the_process_after_sigterm(tmp_path):
    """A vendor's library may never come back; the supervisor would have to kill."""
    address = f"unix://{tmp_path}/d.sock"
    process = subprocess.Popen(
        [sys.executable, "-c", HANGING, address], stdout=subprocess.PIPE, text=True, env={**os.environ}
    )
    try:
        async with grpc.aio.insecure_channel(address, options=[("grpc.default_authority", "localhost")]) as channel:
            await asyncio.wait_for(channel.channel_ready(), 60)
            call = asyncio.create_task(Core(channel).postcommit(Action.CREATE, a_network()))
            assert await asyncio.to_thread(process.stdout.readline) == "began\n"
            process.send_signal(signal.SIGTERM)
            with pytest.raises(grpc.aio.AioRpcError):
                await call
            # The hook never returns, so whoever waited for it would wait here in vain.
            assert await asyncio.to_thread(process.wait, 60) == 0
        assert process.stdout.read() == "stopped\n"
    finally:
        process.kill()
        process.communicate()
