"""What the tests of the suite share: the command run against a driver, and drivers with defects to run it against."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.reaper import owned

HERE = Path(__file__).parent

ENVIRONMENT = os.environ | {"PYTHONPATH": f"{HERE}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}


@dataclass(frozen=True)
class Judged:
    """What one run of the command came to."""

    code: int
    output: str
    report: dict

    def rules(self, status: str) -> set[str]:
        """Return the ids of the rules that have an outcome of this status."""
        return {case["rule"] for case in self.report["cases"] if case["status"] == status}


class WarmSuite:
    """Runs `jackfield-conformance` in children of a process that has imported it already."""

    def __init__(self) -> None:
        command = [sys.executable, str(HERE / "warm_suite.py")]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT
        )

    def judge(self, folder: Path, *arguments: str) -> Judged:
        """Run the command in a folder, and read its report."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        report, output = folder / "report.json", folder / "output.txt"
        report.unlink(missing_ok=True)
        order = {"arguments": ["--json", str(report), *arguments], "folder": str(folder), "output": str(output)}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        code = int(self._process.stdout.readline())
        written = json.loads(report.read_text()) if report.exists() else {"cases": []}
        return Judged(code, output.read_text(), written)

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=20)
        self._process.stdout.close()


@contextmanager
def planted_drivers(names: Sequence[str]) -> Iterator[dict[str, str]]:
    """Serve drivers with these defects in one process; their addresses by name."""
    with tempfile.TemporaryDirectory(prefix=owned("planted")) as folder:
        told = {name: f"unix://{folder}/{number}.sock" for number, name in enumerate(names)}
        command = [sys.executable, "-m", "planted", *[word for pair in told.items() for word in pair]]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield told
        finally:
            process.terminate()
            process.wait(timeout=20)
            process.stdout.close()
