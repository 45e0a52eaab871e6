"""The numbers of debts and drivers that Prometheus reads."""

from collections.abc import Mapping

from jackfield_core.observability.debts import Audit, Condition, Debts, DriverGauges
from prometheus_client import REGISTRY

GOOD = Condition(is_ready=True, is_breaker_open=False, is_quarantined=False)


def value(name: str, driver: str) -> float | None:
    """Return what is told of a driver, or None if nothing is."""
    return REGISTRY.get_sample_value(name, {"driver": driver})


async def test_numbers_are_those_of_the_moment() -> None:
    """Every scrape reads anew: what a driver is owed, what it refuses, and whether it can be called."""
    audits = {"one": Audit(9, 1, 2, 3, 12, 1, 1795284244.0)}
    debts = {"one": Debts(oldest_seconds=90.5, owed=7, failing=3, refused=2, ending=1, most_attempts=12)}
    conditions = {"one": Condition(is_ready=False, is_breaker_open=True, is_quarantined=False)}

    async def read() -> tuple[Mapping[str, Debts], Mapping[str, Audit]]:
        return debts, audits

    gauges = DriverGauges(read, lambda: conditions)
    await gauges.refresh()

    names = ("oldest_seconds", "owed", "failing", "refused", "ending", "attempts")
    assert [value(f"jackfield_delivery_{name}", "one") for name in names] == [90.5, 7, 3, 2, 1, 12]
    states = ("ready", "breaker_open", "quarantined")
    assert [value(f"jackfield_driver_{name}", "one") for name in states] == [0, 1, 0]
    found = ("listed", "missing", "changed", "orphans", "held_orphans", "unreachable_backends")
    assert [value(f"jackfield_audit_{name}", "one") for name in found] == [9, 1, 2, 3, 12, 1]
    assert value("jackfield_audit_finished_timestamp_seconds", "one") == 1795284244.0
    debts["one"], conditions["one"] = Debts(), GOOD
    audits.clear()
    await gauges.refresh()
    assert [value(f"jackfield_delivery_{name}", "one") for name in names] == [0] * 6
    assert [value(f"jackfield_driver_{name}", "one") for name in states] == [1, 0, 0]
    assert value("jackfield_audit_held_orphans", "one") is None


async def test_unreadable_ledger_has_no_numbers() -> None:
    """Numbers of before are not told when the database is away, and that it is away is told."""
    is_away = False

    async def read() -> tuple[Mapping[str, Debts], Mapping[str, Audit]]:
        if is_away:
            raise ConnectionError("the database is away")
        return {"two": Debts(owed=1)}, {}

    gauges = DriverGauges(read, lambda: {"two": GOOD})
    await gauges.refresh()
    assert (value("jackfield_delivery_owed", "two"), REGISTRY.get_sample_value("jackfield_ledger_readable")) == (1, 1)

    is_away = True
    await gauges.refresh()

    assert value("jackfield_delivery_owed", "two") is None
    assert REGISTRY.get_sample_value("jackfield_ledger_readable") == 0
    assert value("jackfield_driver_ready", "two") == 1
