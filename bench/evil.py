"""``python -m bench.evil``: what a misbehaving driver costs calls that do not need it.

Quiet rounds and rounds in which a ``required`` driver misbehaves take turns, so
that whatever else the machine does hits both. The figure is the ratio of the
medians; the limit of the design is 1.5.
"""

import argparse
import statistics
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from mirror.manners import MODES
from mirror.stage import Latency, Stage
from support.postgres import PostgresServer

LIMIT = 1.5
_REBORN = {"slow_handshake": 0.0, "changes_instance": 1.0, "flaps": 1.0, "no_limits": 0.0}
"""What has to be another process to misbehave, and every how many seconds (0: once)."""


def main() -> int:
    """Measure all modes, or those named; return 1 if one of them is over the limit."""
    parser = argparse.ArgumentParser(prog="python -m bench.evil", description=__doc__)
    parser.add_argument("modes", nargs="*", metavar="MODE", help=f"of {', '.join(MODES)}; by default all")
    parser.add_argument("--rounds", type=int, default=6, help="rounds of each kind (default 6)")
    parser.add_argument("--ports", type=int, default=25, help="ports that are created in a round (default 25)")
    arguments = parser.parse_args()
    worst = 0.0
    with _stage() as stage:
        print(f"{'mode':>18}  {'api ms':>8} {'ratio':>6}  {'delivery ms':>11} {'ratio':>6}")
        for mode in arguments.modes or MODES:
            quiet, evil = _measure(stage, mode, arguments.rounds, arguments.ports)
            api, delivery = evil.api / quiet.api, evil.delivery / quiet.delivery
            worst = max(worst, api, delivery)
            print(f"{mode:>18}  {evil.api * 1e3:8.1f} {api:6.2f}  {evil.delivery * 1e3:11.1f} {delivery:6.2f}")
    print(f"worst ratio {worst:.2f}, limit {LIMIT}")
    return int(worst > LIMIT)


@contextmanager
def _stage() -> Iterator[Stage]:
    server = PostgresServer()
    server.start()
    try:
        with Stage(server.create_database().url) as stage:
            yield stage
    finally:
        server.stop()


def _measure(stage: Stage, mode: str, rounds: int, ports: int) -> tuple[Latency, Latency]:
    """Return the medians of quiet rounds and of those in which a driver misbehaves."""
    driver = stage.evil["required"]
    quiet: list[Latency] = []
    evil: list[Latency] = []
    for _ in range(rounds):
        quiet.append(stage.measure(ports))
        # Something that the driver is owed, so that it is not only silent but asked.
        stage.create_network()
        driver.turn(mode, reborn=mode in _REBORN, every=_REBORN.get(mode, 0.0))
        stage.create_network()
        evil.append(stage.measure(ports))
        driver.behave()
        stage.until_ready()
        stage.until_paid()
    return _median(quiet), _median(evil)


def _median(rounds: list[Latency]) -> Latency:
    return Latency(statistics.median(one.api for one in rounds), statistics.median(one.delivery for one in rounds))


if __name__ == "__main__":
    raise SystemExit(main())
