"""Where hosts are by LLDP, and what contradicts the file: listed with both sides and since when."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from jackfield_arista.device.health import Neighbour
from jackfield_arista.inventory.attachments import Place
from jackfield_arista.inventory.model import Inventory
from jackfield_arista.lldp.conflicts import Conflict
from jackfield_arista.lldp.sightings import FILE_NAME
from jackfield_arista.lldp.topology import Topology, conflicts_in
from jackfield_sdk import Host, LldpNeighbour, Nic

CHASSIS = "00:1c:73:00:00:01"
START = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)


def an_inventory(*attachments: dict[str, Any]) -> Inventory:
    leaf = {"credential": "leafs", "group": "rack1"}
    return Inventory.model_validate(
        {
            "credentials": {"leafs": {"username": "jackfield", "key_file": "/key"}},
            "groups": {"rack1": {"physical_network": "rack1"}},
            "switches": {
                "leaf1": leaf | {"address": "192.0.2.1", "chassis_id": CHASSIS, "uplinks": ["Ethernet49"]},
                "leaf2": leaf | {"address": "192.0.2.2"},
            },
            "attachments": [*attachments],
        }
    )


def attached(host: str, *interfaces: str, **fields: Any) -> dict[str, Any]:
    return {"host": host, "switch": "leaf1", "interfaces": list(interfaces)} | fields


class Site:
    """A topology whose inventory and clock the test moves."""

    def __init__(self, *attachments: dict[str, Any], **settings: Any) -> None:
        self.inventory = an_inventory(*attachments)
        self.now = START
        self.topology = Topology(lambda: self.inventory, clock=lambda: self.now, **settings)

    def hear(self, host: str, **ports: str) -> None:
        """Have a host's agent hear leaf1; `ports` are what is heard, by interface, empty for nobody."""
        nics = [Nic(name, "", neighbour=LldpNeighbour(CHASSIS, port) if port else None) for name, port in ports.items()]
        self.topology.hear(Host(host, nics=tuple(nics)))

    def read(self, switch: str, **systems: str) -> None:
        """Have a switch hear systems, by interface."""
        table = [Neighbour(interface, name, "", "eth0") for interface, name in systems.items()]
        self.topology.read(switch, table)

    def places(self, host: str) -> list[str]:
        return [f"{place.switch} {place.port}" for place in self.topology.of_host(host)]

    def conflicts(self) -> list[str]:
        return [str(conflict) for conflict in self.topology.conflicts()]


def test_a_host_that_the_file_does_not_list_is_where_its_agent_hears_a_switch():
    """The switch is found by its chassis or its name, and its physical network comes from its group."""
    site = Site()
    site.hear("compute-1", eth0="Ethernet7", eth1="Et8")
    by_name = LldpNeighbour("02:00:00:00:00:99", "Ethernet9", "leaf2.example.org")
    site.topology.hear(Host("compute-2", nics=(Nic("eth0", "", neighbour=by_name),)))

    assert site.topology.of_host("compute-1") == (
        Place("leaf1", "Ethernet7", physical_network="rack1"),
        Place("leaf1", "Ethernet8", physical_network="rack1"),
    )
    assert site.places("compute-2") == ["leaf2 Ethernet9"]
    assert site.places("compute-3") == []


def test_the_file_wins():
    """A host that the file lists is where the file says, and LLDP that says otherwise is listed with both sides."""
    site = Site(attached("compute-1", "Ethernet1"))
    site.now += timedelta(minutes=7)
    site.hear("compute-1", eth0="Ethernet7")
    site.now += timedelta(hours=2)

    assert site.places("compute-1") == ["leaf1 Ethernet1"]
    (conflict,) = site.topology.conflicts()
    found = conflict.found
    assert (found.host, found.interface, found.switch, found.port) == ("compute-1", "eth0", "leaf1", "Ethernet7")
    assert conflict.since == START + timedelta(minutes=7)
    assert str(conflict) == (
        "compute-1 eth0: the file says it is on leaf1 Ethernet1, LLDP says leaf1 Ethernet7 is compute-1 "
        "(heard by the agent), since 2026-11-21 10:07:00 UTC"
    )


def test_what_agrees_is_no_conflict():
    """An interface, a member of a port-channel, one whose members nobody lists, and a name without its domain."""
    site = Site(
        attached("compute-1", "Ethernet1"),
        attached("compute-2", "Ethernet2", lag="Port-Channel2"),
        attached("compute-3", lag="Port-Channel3"),
        attached("compute-4.example.org", "Ethernet4"),
    )
    for number in (1, 2, 3, 4):
        site.hear(f"compute-{number}", eth0=f"Ethernet{number}")
    site.read("leaf1", Ethernet1="compute-1.example.org", Ethernet4="compute-4", Ethernet49="spine1", Ethernet30="what")

    assert site.conflicts() == []


@pytest.mark.parametrize(
    ("attachments", "port", "file_says"),
    [
        ([], "Ethernet49", "leaf1 Ethernet49 is an uplink"),
        ([attached("compute-9", "Ethernet7")], "Ethernet7", "leaf1 Ethernet7 is compute-9"),
        ([attached("compute-9", "Ethernet7", lag="Port-Channel9")], "Ethernet7", "leaf1 Ethernet7 is compute-9"),
    ],
)
def test_a_place_that_cannot_be_is_not_taken(attachments, port, file_says):
    """LLDP alone never puts a host's VLANs on an uplink or on somebody else's port."""
    site = Site(*attachments)
    site.hear("compute-1", eth0=port)

    assert site.places("compute-1") == []
    assert [conflict.found.file_says for conflict in site.topology.conflicts()] == [file_says]


def test_a_switch_with_a_known_name_and_a_strange_chassis_is_doubted():
    """It was exchanged, or it is another one of that name: nobody is put on it, and both chassis are told."""
    site = Site()
    seen = LldpNeighbour("00:1c:73:99:99:99", "Ethernet7", "leaf1")
    site.topology.hear(Host("compute-1", nics=(Nic("eth0", "", neighbour=seen),)))

    assert site.places("compute-1") == []
    assert site.conflicts() == [
        "compute-1 eth0: the file says leaf1 has the chassis 00:1c:73:00:00:01, "
        "LLDP says leaf1 has the chassis 00:1c:73:99:99:99, since 2026-11-21 10:00:00 UTC"
    ]


def test_two_hosts_on_one_port_are_both_doubted():
    """A cable has one other end, so neither is believed until one of them moves."""
    site = Site()
    site.hear("compute-1", eth0="Ethernet7")
    site.now += timedelta(seconds=5)
    site.hear("compute-2", eth0="Ethernet7")

    assert (site.places("compute-1"), site.places("compute-2")) == ([], [])
    assert [conflict.found.host for conflict in site.topology.conflicts()] == ["compute-1", "compute-2"]

    site.hear("compute-1", eth0="Ethernet8")
    assert (site.places("compute-1"), site.places("compute-2")) == (["leaf1 Ethernet8"], ["leaf1 Ethernet7"])
    assert site.conflicts() == []


def test_a_switch_that_hears_somebody_else_is_listed():
    """The switch's own table stands against the file, and against an agent."""
    site = Site(attached("compute-1", "Ethernet1"), attached("metal", "Ethernet2", role="baremetal"))
    site.hear("compute-3", eth0="Ethernet3")
    site.hear("compute-4", eth0="Ethernet4")
    # What a rented machine calls itself is its user's choice.
    site.read("leaf1", Ethernet1="compute-7", Ethernet2="my-laptop", Ethernet3="compute-4")

    told = [(conflict.found.host, conflict.found.port) for conflict in site.topology.conflicts()]
    assert told == [("compute-3", "Ethernet3"), ("compute-4", "Ethernet3"), ("compute-7", "Ethernet1")]
    assert site.places("compute-3") == []


def test_a_machine_that_calls_itself_like_a_host_gets_nothing():
    """Tables of switches put hosts nowhere unless the operator believes them."""
    site = Site()
    site.hear("compute-1", eth0="Ethernet1")
    site.read("leaf1", Ethernet20="compute-1", Ethernet21="compute-2")
    believing = Site(attach_by_lldp="agents_and_switches")
    believing.hear("compute-1", eth0="Ethernet1")
    believing.read("leaf1", Ethernet20="compute-1")

    assert site.places("compute-1") == ["leaf1 Ethernet1"]
    assert believing.places("compute-1") == ["leaf1 Ethernet1", "leaf1 Ethernet20"]


def test_lldp_may_be_left_out():
    """With `never` only the file puts hosts anywhere; contradictions are found all the same."""
    site = Site(attached("compute-1", "Ethernet1"), attach_by_lldp="never")
    site.hear("compute-1", eth0="Ethernet7")
    site.hear("compute-2", eth0="Ethernet2")

    assert site.places("compute-2") == []
    assert len(site.conflicts()) == 1


def test_silence_moves_nothing_and_another_word_does():
    """A host keeps its place while nobody is heard, for a week; another port takes its place at once."""
    site = Site()
    site.hear("compute-1", eth0="Ethernet7")
    site.now += timedelta(days=6)
    site.hear("compute-1", eth0="")
    assert site.places("compute-1") == ["leaf1 Ethernet7"]

    site.hear("compute-1", eth0="Ethernet8")
    assert site.places("compute-1") == ["leaf1 Ethernet8"]

    site.now += timedelta(days=8)
    assert site.places("compute-1") == []


def test_what_was_heard_makes_sense_with_the_next_inventory():
    """A switch that the file gets later, and an attachment that settles a conflict, count at once."""
    site = Site(attached("compute-1", "Ethernet1"))
    site.hear("compute-1", eth0="Ethernet7")
    assert len(site.conflicts()) == 1

    site.inventory = an_inventory(attached("compute-1", "Ethernet7"))
    assert site.conflicts() == []
    assert site.places("compute-1") == ["leaf1 Ethernet7"]


def test_a_restart_remembers_since_when(tmp_path):
    """A new process knows the places and the age of conflicts; another one may read along and writes nothing."""
    before = Site(attached("compute-1", "Ethernet1"), directory=tmp_path)
    before.hear("compute-1", eth0="Ethernet7")
    before.now += timedelta(seconds=5)
    before.hear("compute-2", eth0="Ethernet2")
    (conflict,) = before.topology.conflicts()
    kept = (tmp_path / FILE_NAME).read_bytes()

    row = Neighbour("Ethernet1", "compute-7")
    beside = conflicts_in(tmp_path, before.inventory, {"leaf1": [row]})
    after = Site(attached("compute-1", "Ethernet1"), directory=tmp_path)
    after.now += timedelta(days=1)

    assert after.topology.conflicts() == (conflict,)
    assert after.places("compute-2") == ["leaf1 Ethernet2"]
    assert [one.found.host for one in beside] == ["compute-1", "compute-7"]
    assert beside[0] == Conflict(conflict.found, START)
    assert (tmp_path / FILE_NAME).read_bytes() == kept


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", '{"agents": [{"at": 1}], "switches": [], "conflicts": []}', "null"]
)
def test_a_file_that_cannot_be_read_is_as_good_as_none(tmp_path, content):
    """Everything is said again, so a broken file costs nothing but the memory of it."""
    (tmp_path / FILE_NAME).write_text(content)

    site = Site(directory=tmp_path)
    site.hear("compute-1", eth0="Ethernet7")

    assert site.places("compute-1") == ["leaf1 Ethernet7"]
    assert json.loads((tmp_path / FILE_NAME).read_text())["agents"][0]["port_id"] == "Ethernet7"


def test_an_interface_may_hear_several():
    """Behind a hub there are two switches, and both places count until one is silent where the other speaks."""
    site = Site()
    seen = LldpNeighbour(CHASSIS, "Ethernet7")
    other = replace(seen, port_id="Ethernet8")
    site.topology.hear(Host("h", nics=(Nic("eth0", "", neighbour=seen), Nic("eth0", "", neighbour=other))))
    assert site.places("h") == ["leaf1 Ethernet7", "leaf1 Ethernet8"]

    site.hear("h", eth0="Ethernet8")
    assert site.places("h") == ["leaf1 Ethernet8"]
