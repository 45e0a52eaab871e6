"""The command under test, and drivers to run it against."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

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


@pytest.fixture
def judge(tmp_path: Path) -> Callable[..., Judged]:
    """Run `jackfield-conformance` with arguments."""

    def run(*arguments: str) -> Judged:
        report = tmp_path / "report.json"
        report.unlink(missing_ok=True)
        command = [sys.executable, "-m", "jackfield_sdk.conformance", "--json", str(report), *arguments]
        ended = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=ENVIRONMENT, timeout=110)
        written = json.loads(report.read_text()) if report.exists() else {"cases": []}
        return Judged(ended.returncode, ended.stdout + ended.stderr, written)

    return run
