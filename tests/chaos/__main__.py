"""``python -m chaos``: the long form, by hand."""

import argparse
import asyncio
import secrets
import sys

from support.processes import interrupt_on_sigterm

from chaos.run import Settings, run


def main() -> int:
    """Run chaos; the status is 1 if anything is wrong at the end."""
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="of storm (default 60)")
    parser.add_argument("--seed", type=int, default=None, help="by default another one each time; it is printed")
    parser.add_argument("--database", choices=["postgresql", "sqlite"], default="postgresql")
    parser.add_argument("--clients", type=int, default=4, help="(default 4)")
    parser.add_argument("--gap", type=float, default=3.0, help="seconds between two strikes, on average (default 3)")
    arguments = parser.parse_args()
    settings = Settings(
        seed=secrets.randbelow(1_000_000) if arguments.seed is None else arguments.seed,
        seconds=arguments.seconds,
        backend=arguments.database,
        clients=arguments.clients,
        gap=arguments.gap,
    )
    interrupt_on_sigterm()
    report = asyncio.run(run(settings, lambda line: print(line, flush=True)))
    print(report)
    return 0 if report.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
