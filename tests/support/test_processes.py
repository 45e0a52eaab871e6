"""Processes under test are started, disturbed and stopped for certain."""

import sys
import time
from pathlib import Path

import pytest

from support.processes import Process, ProcessFailed, accepts, answers, logs
from support.waiting import wait_until

SERVER = """
import http.server, socket, sys
server = http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
print("listening on", server.server_port, flush=True)
server.serve_forever()
"""
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
time.sleep(600)
"""
UNIX_SERVER = "import socket, sys; s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(); s.accept()"


def python(tmp_path: Path, source: str, *arguments: str) -> list[str]:
    """Return the command that runs *source*."""
    script = tmp_path / "script.py"
    script.write_text(source)
    return [sys.executable, str(script), *arguments]


def test_start_returns_when_the_log_says_ready(tmp_path: Path) -> None:
    """A server is up, and answers, when start returns; it is gone after the block."""
    log = tmp_path / "log"

    with Process("server", python(tmp_path, SERVER), log=log, ready=logs("listening on"), directory=tmp_path) as server:
        url = f"http://127.0.0.1:{server.output().split()[-1]}/"
        assert answers(url)(server)

    assert not server.alive
    assert not answers(url)(server)


def test_stale_socket_is_not_ready(tmp_path: Path) -> None:
    """A socket file left by a killed process does not count as a server."""
    path = tmp_path / "s"
    command = python(tmp_path, UNIX_SERVER, str(path))
    with Process("server", command, log=tmp_path / "log", ready=accepts(path)) as server:
        server.kill()

        assert path.exists()
        assert not accepts(path)(server)


def test_death_before_ready_shows_the_log(tmp_path: Path) -> None:
    """A process that ends at once is reported with its status and its last words."""
    dying = python(tmp_path, "raise SystemExit('no such physical network')")

    with pytest.raises(ProcessFailed, match=r"(?s)status 1.*no such physical network"):
        Process("driver", dying, log=tmp_path / "log", ready=logs("never")).start()


def test_late_readiness_shows_the_log_and_leaves_nothing(tmp_path: Path) -> None:
    """A process that is not ready in time is stopped and reported with its log."""
    slow = python(tmp_path, "import time; print('thinking', flush=True); time.sleep(600)")

    def is_never_ready(process: Process) -> bool:
        wait_until(lambda: "thinking" in process.output(), what="a process that thinks")
        return False

    process = Process("driver", slow, log=tmp_path / "log", ready=is_never_ready, timeout=1)

    with pytest.raises(ProcessFailed, match=r"(?s)after 1 s.*thinking"):
        process.start()

    assert not process.alive


def test_log_of_an_earlier_run_is_not_ready(tmp_path: Path) -> None:
    """A second start waits for the second "ready", not for the first."""
    command = python(tmp_path, "import time; time.sleep(0.3); print('ready', flush=True); time.sleep(60)")
    process = Process("driver", command, log=tmp_path / "log", ready=logs("ready"))
    process.start()
    process.kill()

    started = time.monotonic()
    process.start()

    assert time.monotonic() - started > 0.3
    process.stop()


def test_stop_ends_a_suspended_process_that_ignores_sigterm(tmp_path: Path) -> None:
    """Stop gets rid of a process that neither listens nor runs."""
    process = Process("driver", python(tmp_path, STUBBORN), log=tmp_path / "log", ready=logs("up")).start()
    process.suspend()

    status = process.stop(timeout=0.5)

    assert status == -9
    assert not process.alive
