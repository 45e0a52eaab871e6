"""Chaos in its short form. The long form is ``make chaos SECONDS=600``."""

import os

import pytest

from chaos.run import Settings, run

SEED = int(os.environ.get("JACKFIELD_TEST_SEED", "20261121"))
# What the dead had claimed is waited for, and what failed again and again has long pauses: here both are short.
CORE = "[dispatcher]\nlease = 15.0\nbatch = 50\nbackoff_max = 8.0\n[mechanism]\nbreaker_retry = 3.0\n"


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("backend", "seconds"), [("postgresql", 10.0), ("sqlite", 5.0)])
async def test_nothing_diverges_under_chaos(backend: str, seconds: float) -> None:
    """Whatever was killed, stopped, cut or set wrong: soon after, devices, hosts, database and promises agree."""
    settings = Settings(seed=SEED, seconds=seconds, backend=backend, gap=0.8, quiet=240.0, core=CORE)

    report = await run(settings, print)

    assert report.found == [], str(report)
