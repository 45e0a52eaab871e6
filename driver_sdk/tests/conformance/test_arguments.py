"""What the command is told, and what it is not: wrong words, files of the operator, and what lies around it."""

from __future__ import annotations

import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import jackfield_sdk
import pytest
from conformance_runs import Judged
from support.reaper import owned

Judge = Callable[..., Judged]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "--endpoint is needed"),
        (("--endpoint", "/run/acme.sock"), "write unix:///run/acme.sock"),
        (("--endpoint", "acme"), "neither unix:///path nor host:port"),
        (("--endpoint", "unix:///nobody", "--command", "no-such-program"), "no-such-program"),
        (("--endpoint", "unix:///nobody", "--params", "PARAMS"), "vlan_rnage"),
        (("--endpoint", "unix:///nobody", "--expected-failures", "PARAMS"), "expected-failures"),
        (("--endpoint", "unix:///nobody", "--expected-failures", "LIST"), "no such rule"),
        (("--endpoint", "unix:///nobody", "--expected-failures", "CASE"), "lists C4[subnt], and there is no such"),
        (("--endpoint", "unix:///nobody", "--only", "c99,Q"), "--only c99, Q chooses no rule"),
        (("--endpoint", "unix:///nobody", "--junit", "/nowhere/j.xml"), "/nowhere/j.xml cannot be written"),
        (("--endpoint", "unix:///nobody", "--kill-command", "true"), "goes with --restart-command"),
        (("--endpoint", "unix:///nobody", "--command", "true", "--restart-command", "true"), "give one"),
        (("--endpoint", "127.0.0.1:1", "--tls-certificate", "LIST", "--tls-key", "LIST"), "needs --tls-ca"),
        (("--endpoint", "127.0.0.1:1", "--tls-ca", "LIST", "--tls-key", "LIST"), "--tls-key needs --tls-certificate"),
        (("--endpoint", "unix:///nobody", "--driver-log", "/nowhere/acme.log"), "/nowhere/acme.log is not there"),
    ],
)
def test_a_wrong_argument_is_told_in_a_sentence(
    judge: Judge, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    """Exit code 2, and the word that is wrong."""
    (tmp_path / "PARAMS").write_text("vlan_rnage = [1, 2]\n")
    (tmp_path / "LIST").write_text('[expected-failures]\nC99 = "is not ours"\n')
    (tmp_path / "CASE").write_text('[expected-failures]\n"C4[subnt]" = "fixed in 4.2"\n')

    judged = judge(*[str(tmp_path / each) if each.isupper() else each for each in arguments])

    assert judged.code == 2
    assert said in judged.output
    assert "Traceback" not in judged.output


def test_a_log_that_the_driver_writes_itself_is_searched(judge: Judge, tmp_path: Path) -> None:
    """What the suite has started may log to a file, of which nothing is in its output."""
    log = tmp_path / "acme.log"
    with tempfile.TemporaryDirectory(prefix=owned("plant")) as folder:
        address = f"unix://{folder}/0.sock"
        serve = f"exec {sys.executable} -m planted 'logs a secret' {address} > {log} 2>&1"
        command = shlex.join(["sh", "-c", serve])
        told = ["--endpoint", address, "--command", command, "--driver-log", str(log)]

        judged = judge(*told, "--only", "E8")

    assert judged.rules("failed") == {"E8"}, judged.output


def test_what_lies_around_the_suite_is_not_loaded(tmp_path: Path) -> None:
    """A vendor who has the SDK in his own tree has a `conftest.py` above it, which is none of the suite's."""
    (tmp_path / "conftest.py").write_text("raise SystemExit('this is no part of the suite')\n")
    (tmp_path / "jackfield_sdk").symlink_to(Path(jackfield_sdk.__file__).parent)
    command = [sys.executable, "-m", "jackfield_sdk.conformance", "--endpoint", f"unix://{tmp_path}/nobody.sock"]

    ended = subprocess.run(command, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True)

    assert ended.returncode == 2
    assert "no handshake at" in ended.stderr
    assert "no part of the suite" not in ended.stderr
