"""What operators see of drivers, and what they do to them, on a core that runs."""

import uuid
from typing import Any

import pytest
from support.waiting import wait_until

ORPHANS = 12
"""More than the ten that an audit removes by itself."""


def differing(report: Any) -> set[tuple[str, str]]:
    """Return what a dry run found: difference and id."""
    return {(one["difference"], one["id"]) for one in report["differences"]}


def test_diff_lists_what_hands_did_and_resync_repairs_it(site: Any) -> None:
    """A dry run names each difference, the device and what would be done; afterwards nothing differs."""
    _, (changed, removed, kept) = site.network(ports=3)
    site.hands.change("port", changed)
    site.hands.remove("port", removed)
    added = site.hands.add("port", like=kept)
    foreign = site.hands.add("port", like=kept, owner="another deployment")

    status, output = site.run("driver", "diff", "fabric")
    report = site.json("driver", "diff", "fabric")

    assert status == 1, output
    assert f"missing port {removed}" in output
    assert f"fabric: remove port {added}" in output
    assert "1 changed, 1 missing, 1 orphan" in output
    assert differing(report) == {("changed", changed), ("missing", removed), ("orphan", added)}
    assert all(step["backend"] == "fabric" and step["lines"] for one in report["differences"] for step in one["steps"])
    assert (report["in_sync"], report["unreachable"], report["notes"]) == (False, [], [])
    assert foreign not in output

    status, output = site.run("driver", "resync", "fabric")

    assert (status, "Device and database agree." in output) == (0, True), output
    assert site.run("driver", "diff", "fabric")[0] == 0
    shown = site.json("driver", "show", "fabric")
    assert (shown["audit"]["missing"], shown["audit"]["changed"], shown["audit"]["orphans"]) == (1, 1, 1)
    assert shown["actions"][0]["action"] == "resync"


def test_diff_of_one_resource_shows_only_that(site: Any) -> None:
    """With an id nothing else is looked at, and a resource that is as it should be is nothing to do."""
    _, (changed, good) = site.network(ports=2)
    site.hands.change("port", changed)

    status, output = site.run("driver", "diff", "fabric", changed)

    assert (status, f"change port {changed}" in output, good in output) == (1, True, False), output
    assert site.run("driver", "diff", "fabric", good)[0] == 0
    strange = site.run("driver", "diff", "fabric", str(uuid.uuid4()))
    assert (strange[0], "is not told of" in strange[1]) == (1, True), strange
    assert site.run("driver", "resync", "fabric")[0] == 0


def test_driver_is_told_everything_again(site: Any) -> None:
    """On demand all of it is owed from the start, whatever the device holds, once the operator agrees."""
    site.network(ports=1)
    (before,) = site.json("driver", "lag", "fabric")
    refused = site.run("driver", "resync", "fabric", "--everything")
    assert (refused[0], "say --yes" in refused[1]) == (2, True), refused

    outcome = site.json("driver", "resync", "fabric", "--everything", "--yes")

    assert (before["owed"], outcome["in_sync"], outcome["owed"]) == (0, True, 0)
    detail = site.json("driver", "show", "fabric")["actions"][0]["detail"]
    assert int(detail.split()[0]) >= 2
    assert site.json("driver", "resync", "fabric", "--no-wait") == {"driver": "fabric", "requested": True}


def test_many_orphans_are_held_until_the_operator_agrees(site: Any) -> None:
    """A resync that would remove much says so and leaves it; with the operator's word it is removed."""
    _, (port,) = site.network(ports=1)
    added = {site.hands.add("port", like=port) for _ in range(ORPHANS)}

    status, output = site.run("driver", "resync", "fabric")

    assert (status, f"Held: {ORPHANS} orphans." in output) == (1, True), output
    held = site.json("driver", "pending", "fabric", "--state", "held")
    assert {one["resource_id"] for one in held} == added
    assert site.json("driver", "show", "fabric")["held_orphans"] == ORPHANS
    refused = site.run("driver", "resync", "fabric", "--remove-orphans")
    assert (refused[0], "say --yes" in refused[1]) == (2, True), refused

    outcome = site.json("driver", "resync", "fabric", "--remove-orphans", "--yes")

    assert (outcome["in_sync"], outcome["owed"], outcome["audit"]["held_orphans"]) == (True, 0, 0)
    assert outcome["agreed_orphans"] == ORPHANS
    assert site.json("driver", "pending", "fabric") == []


def test_quarantine_by_an_operator_lasts_until_the_release(site: Any) -> None:
    """Debts are kept and shown with the reason, nothing is asked of the driver, and the release pays them."""
    reason = "leaf 3 is being replaced"
    network, _ = site.network()
    assert site.run("driver", "quarantine", "fabric", "--reason", reason)[0] == 0
    again = site.run("driver", "quarantine", "fabric", "--reason", "again")
    assert (again[0], f"in quarantine already: an operator says: {reason}" in again[1]) == (2, True), again
    wait_until(lambda: entry(site).is_quarantined, what="the core to follow", timeout=30)

    site.core.request("PUT", f"/networks/{network}", {"network": {"name": "new"}})

    (listed,) = site.json("driver", "ls")
    assert (listed["state"], listed["quarantine"]["reason"], listed["owed"]) == ("quarantined", reason, 1)
    (debt,) = site.json("driver", "pending", "fabric")
    assert (debt["resource_id"], debt["state"], reason in debt["message"]) == (network, "unknown", True)
    for command in ("diff", "resync"):
        status, output = site.run("driver", command, "fabric")
        assert (status, reason in output) == (2, True), output

    released = site.json("driver", "release", "fabric")

    assert (released["released"], reason in released["reason"]) == (True, True)
    site.settled()
    assert site.json("driver", "release", "fabric")["released"] is False
    actions = [one["action"] for one in site.json("driver", "show", "fabric")["actions"]]
    assert actions[:2] == ["release", "quarantine"]


def entry(site: Any) -> Any:
    """Return what the core knows of the driver."""
    return site.core.application.registry.entry("fabric")


def test_refused_debt_is_tried_again_on_demand(site: Any) -> None:
    """What the driver called infeasible shows its reason, raises the lag, and is paid once the operator says retry."""
    network, _ = site.network()
    site.order(infeasible={"network": "VLAN 7 is taken"})
    site.core.request("PUT", f"/networks/{network}", {"network": {"name": "new"}})
    wait_until(lambda: site.json("driver", "pending", "fabric", "--state", "refused"), what="the refusal", timeout=30)

    (lag,) = site.json("driver", "lag", "fabric")
    assert (lag["owed"], lag["refused"], lag["most_attempts"]) == (1, 1, 1)
    assert lag["oldest_seconds"] > 0
    assert [site.run("driver", "lag", "--over", over)[0] for over in ("3600", "0")] == [0, 1]
    table = site.run("delivery", "list", "--resource", network)[1]
    assert "VLAN 7 is taken" in table
    assert "refused" in table

    site.order()
    retried = site.json("delivery", "retry", "--driver", "fabric")

    assert retried == {"retried": 1}
    site.settled()
    nothing = site.run("delivery", "retry")
    assert (nothing[0], "No debt waits" in nothing[1]) == (1, True), nothing


def test_forgotten_debt_frees_what_waited_for_it(site: Any) -> None:
    """Without the operator's word nothing is given up; with it the deleted network goes, and that is on record."""
    network, _ = site.network()
    site.stop_driver()
    wait_until(lambda: not entry(site).is_ready, what="the core to notice", timeout=30)
    site.core.request("DELETE", f"/networks/{network}")
    try:
        (debt,) = site.json("driver", "pending", "fabric")
        assert (debt["resource_id"], debt["state"]) == (network, "ending")
        refused = site.run("driver", "forget", "fabric", "--id", network)
        assert (refused[0], "say --yes" in refused[1]) == (2, True), refused
        assert len(site.json("driver", "pending", "fabric")) == 1
        away = site.run("driver", "resync", "fabric")
        assert (away[0], "is not reachable" in away[1]) == (2, True), away

        given = site.json("driver", "forget", "fabric", "--id", network, "--yes")

        assert (given["debts"], given["ends"]) == (1, 1)
        assert site.read(lambda tables: tables.networks.list_with_deleted([network])) == {}
        action = site.json("driver", "show", "fabric")["actions"][0]
        assert (action["action"], action["resource_id"]) == ("forget", network)
        assert action["request_id"].startswith("cli-")
    finally:
        site.start_driver()
        wait_until(lambda: entry(site).is_ready, what="the driver", timeout=30)
    # What was forgotten is on the device still; the comparison finds it.
    assert site.run("driver", "resync", "fabric")[0] == 0


def test_driver_that_left_the_settings_is_named_and_forgotten(site: Any) -> None:
    """What is owed to a driver that nobody configures any more is shown as such, and can be given up."""
    network, _ = site.network()
    site.order(fail_postcommit={"delete_network": "busy"})
    site.core.request("DELETE", f"/networks/{network}")
    wait_until(lambda: site.json("driver", "lag", "fabric")[0]["failing"], what="the failure", timeout=30)
    without = site.without_driver()

    table = site.run("driver", "ls", config_file=without)[1]
    unknown = site.run("driver", "resync", "fabric", config_file=without)
    status, output = site.run("driver", "forget", "fabric", "--yes", config_file=without)
    site.order()

    assert "not in the settings" in table
    assert (unknown[0], 'no driver "fabric"' in unknown[1]) == (2, True), unknown
    assert (status, "1 debt" in output) == (0, True), output
    assert site.run("driver", "resync", "fabric")[0] == 0


@pytest.mark.parametrize(
    "command",
    [
        ["show"],
        ["pending"],
        ["diff"],
        ["resync"],
        ["lag"],
        ["quarantine", "--reason", "x"],
        ["release"],
        ["finalize"],
        ["forget", "--yes"],
    ],
    ids=lambda command: command[0],
)
def test_unknown_driver_is_named(site: Any, command: list[str]) -> None:
    """No command takes a name that nobody has."""
    status, output = site.run("driver", *command, "ghost")

    assert (status, 'there is no driver "ghost"' in output) == (2, True), output


def test_devices_of_a_driver_are_shown_in_its_words(site: Any) -> None:
    """`show` lists each backend with its health, as the process that serves describes it now."""
    status, output = site.run("driver", "show", "fabric")
    (serving,) = [sight for sight in site.json("driver", "show", "fabric")["endpoints"] if sight["serves"]]

    assert [(one["id"], one["health"]) for one in serving["backends"]] == [("fabric", "up")]
    lines = [line.split() for line in output.splitlines()]
    assert (status, ["backend", "health", "message"] in lines, ["fabric", "up"] in lines) == (0, True, True), output
