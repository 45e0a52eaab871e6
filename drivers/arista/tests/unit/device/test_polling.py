"""How often sessions look for something to send: often while any of them works, rarely when all are idle."""

from __future__ import annotations

import threading

import ncclient.transport.session as library
from jackfield_arista.device.polling import often


def test_sessions_look_often_as_long_as_one_of_them_works() -> None:
    """The last one that ends its work slows all of them down, also if it failed."""
    with often():
        busy = library.TICK
        with often():
            assert busy == library.TICK
        assert busy == library.TICK
    idle = library.TICK

    assert busy < idle / 10


def test_work_in_another_thread_counts() -> None:
    """The interval is one for all."""
    works, may_end = threading.Event(), threading.Event()

    def work() -> None:
        with often():
            works.set()
            may_end.wait(20)

    thread = threading.Thread(target=work)
    thread.start()
    assert works.wait(20)
    with often():
        busy = library.TICK
    assert busy == library.TICK
    may_end.set()
    thread.join(20)

    assert busy < library.TICK
