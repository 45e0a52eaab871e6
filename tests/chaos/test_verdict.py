"""The verdict of chaos finds what is wrong: each lie is planted into a small world where all is well."""

import asyncio
import json
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from jackfield_core import config
from jackfield_core.db import migrate

from chaos.promises import Fate, Journal, Promise
from chaos.site import COMPUTE, FABRICS, HOSTS
from chaos.verdict import problems

AT = "2026-01-01 00:00:00.000000"
NETWORK, SEGMENT, SUBNET, PORT, SERVER, SLAAC = (f"{digit * 8}-0000-4000-8000-000000000000" for digit in "123456")
MAC, ADDRESS, MADE = "fa:16:3e:00:00:01", "10.0.0.5", "2001:db8::f816:3eff:fe00:1"
FIXED_IPS = [{"subnet_id": SUBNET, "ip_address": ADDRESS}, {"subnet_id": SLAAC, "ip_address": MADE}]
TOLD = (("network", NETWORK), ("subnet", SUBNET), ("subnet", SLAAC), ("port", PORT))
RANKS = {"network": 0, "subnet": 1, "port": 2}
TIMES = {"created_at": AT, "updated_at": AT, "revision_number": 3}
NAMED = {"project_id": "", "description": "", "admin_state_up": 1, "port_security_enabled": 1}


@dataclass(frozen=True, slots=True)
class World:
    """A database with one network, two subnets and a port, and the files of all others that agree with it."""

    folder: Path

    @property
    def database(self) -> "World":
        return self

    @property
    def url(self) -> str:
        return f"sqlite:///{self.file('core')}"

    def file(self, name: str) -> Path:
        return self.folder / f"{name}.db"

    def change(self, name: str, statement: str, *values: object) -> None:
        with closing(sqlite3.connect(self.file(name))) as database, database:
            database.execute(statement, values)

    def insert(self, name: str, table: str, /, **values: object) -> None:
        places = ", ".join("?" * len(values))
        self.change(name, f"INSERT INTO {table} ({', '.join(values)}) VALUES ({places})", *values.values())


@pytest.fixture(scope="module")
def blameless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a world in which nothing is wrong; tests take copies of it."""
    world = World(tmp_path_factory.mktemp("world"))
    asyncio.run(migrate.upgrade(config.Database(url=world.url)))
    _fill_database(world)
    for fabric in FABRICS:
        _fill_fabric(world, fabric.name)
    for host in HOSTS:
        world.change(host, "CREATE TABLE view (kind TEXT, id TEXT, version TEXT, content TEXT)")
    world.change(COMPUTE, "CREATE TABLE told (number INTEGER, name TEXT, server TEXT, tag TEXT)")
    world.insert(COMPUTE, "told", number=1, name="network-vif-plugged", server=SERVER, tag=PORT)
    port = {"mac_address": MAC, "admin_state_up": True, "ip_addresses": [ADDRESS, MADE]}
    world.insert(HOSTS[0], "view", kind="port", id=PORT, version="1", content=json.dumps(port))
    world.insert(HOSTS[0], "view", kind="network", id=NETWORK, version="1", content="{}")
    return world.folder


@pytest.fixture
def world(blameless: Path, tmp_path: Path) -> World:
    """Copy the world in which nothing is wrong."""
    return World(Path(shutil.copytree(blameless, tmp_path / "world")))


@pytest.fixture
def journal() -> Journal:
    """Promise the network, the subnet and the port, each named by its mark."""
    journal = Journal()
    network = Promise("network", "n.", id=NETWORK, fate=Fate.THERE, sure={"name": "n."})
    network.told = {"provider:segmentation_id": 100}
    port = Promise("port", "p.", network, id=PORT, fate=Fate.THERE, sure={"name": "p.~2", "binding:host_id": HOSTS[0]})
    port.told = {"mac_address": MAC, "fixed_ips": FIXED_IPS[:1]}
    subnets = [
        Promise("subnet", f"{mark}.", network, id=id, fate=Fate.THERE)
        for mark, id in zip("sv", (SUBNET, SLAAC), strict=True)
    ]
    journal.promises = [network, *subnets, port]
    return journal


def test_nothing_is_wrong_where_all_agree(world: Any, journal: Journal) -> None:
    """The world itself is blameless, or the other tests would prove nothing."""
    assert problems(world, journal) == []


@pytest.mark.parametrize(
    ("place", "statement", "said"),
    [
        ("core", "UPDATE delivery SET owed = 1 WHERE kind = 'port' AND driver = 'leaf'", "debt left"),
        ("core", "UPDATE port SET deleted_at = created_at", "is still there"),
        ("core", "DELETE FROM ip_allocation", "allocated or shown, not both"),
        ("core", f"UPDATE ip_allocation SET port_id = '{NETWORK}'", "belongs to nothing"),
        ("core", "DELETE FROM segment_allocation", "has no allocation"),
        ("core", "UPDATE segment_allocation SET segmentation_id = 101", "has no segment"),
        ("core", "DELETE FROM vendor_attribute", "rack of port"),
        ("core", "UPDATE network SET mtu = 1400", "mtu of network"),
        ("core", "UPDATE port_binding SET vif_type = 'binding_failed'", "binding_failed"),
        ("core", "UPDATE port SET status = 'DOWN'", "is DOWN"),
        ("core", "UPDATE port SET name = 'p.~1'", "name of port p."),
        ("core", "UPDATE port SET name = 'stranger'", "nobody asked for port stranger"),
        ("core", "UPDATE port SET mac_address = 'fa:16:3e:00:00:02'", "mac_address of port p."),
        ("core", "UPDATE port_binding SET host = 'host-1'", "bound to host-1 and is not there"),
        ("leaf", "UPDATE held SET value = NULL WHERE kind = 'port'", "not on leaf"),
        ("leaf", "UPDATE held SET value = json_set(value, '$.mtu', 1400) WHERE kind = 'network'", "mtu of network"),
        (
            "spine",
            "UPDATE held SET value = json_set(value, '$.segments', json('[]')) WHERE kind = 'network'",
            "segments of",
        ),
        ("spine", "UPDATE held SET value = json_set(value, '$.binding.host', 'x') WHERE kind = 'port'", "host of port"),
        ("leaf", """UPDATE held SET attributes = '{"colour": "red"}' WHERE kind = 'network'""", "colour of network"),
        ("ledger", "UPDATE held SET revision = 2 WHERE kind = 'port'", "acknowledged at 3"),
        ("ledger", "INSERT INTO applied SELECT 9, kind, id, revision, 'change' FROM applied LIMIT 1", "came after 3"),
        ("host-0", "DELETE FROM view WHERE kind = 'port'", "is not there"),
        ("host-0", "UPDATE view SET content = replace(content, '10.0.0.5', '10.0.0.6')", "on host-0 and"),
        ("core", "UPDATE port SET mac_address = 'fa:16:3e:00:00:02'", "and its host makes"),
        ("core", "UPDATE subnet SET cidr = '2001:db8:1::/64' WHERE ip_version = 6", "and its host makes"),
        ("nova", "DELETE FROM told", "waits for port"),
        ("nova", f"INSERT INTO told VALUES (2, 'network-vif-unplugged', '{SERVER}', '{PORT}')", "waits for port"),
        ("nova", f"INSERT INTO told VALUES (2, 'network-vif-plugged', '{NETWORK}', '{PORT}')", "was told that it has"),
        ("nova", f"INSERT INTO told VALUES (0, 'network-vif-deleted', '{SERVER}', '{PORT}')", "which is there"),
        ("host-1", f"INSERT INTO view VALUES ('network', '{NETWORK}', '1', '{{}}')", "not bound to it"),
    ],
)
def test_planted_lie_is_found(world: Any, journal: Journal, place: str, statement: str, said: str) -> None:
    """Whoever says something else than the others is found, and named."""
    world.change(place, statement)

    assert [one for one in problems(world, journal) if said in one]


def test_effect_after_the_end_is_found(world: Any, journal: Journal) -> None:
    """What is applied once more after its removal came late, whatever its revision."""
    for number, revision, action in ((8, 4, "remove"), (9, 5, "add")):
        world.insert("spine", "applied", number=number, kind="port", id=PORT, revision=revision, action=action)

    assert [one for one in problems(world, journal) if "came after its removal" in one]


def test_broken_promises_are_found(world: Any, journal: Journal) -> None:
    """What was deleted is gone, what was created is there, and a bulk request is done whole or not at all."""
    for promise, change, said in _broken(journal):
        broken = Journal()
        broken.promises = [*[one for one in journal.promises if one.mark != promise.mark], *change]
        assert [one for one in problems(world, broken) if said in one], said


def _broken(journal: Journal) -> Iterator[tuple[Promise, list[Promise], str]]:
    port = journal.promises[-1]
    yield port, [replace(port, fate=Fate.GONE)], "has to be gone"
    lost = Promise("port", "q.", fate=Fate.THERE)
    yield lost, [lost], "has to be there"
    silent = Promise("port", "r.", id=SEGMENT, fate=Fate.GONE, is_deleted=True, sure={"device_id": SERVER})
    yield silent, [silent], "was not told that port"
    half = replace(port, fate=Fate.EITHER, id=None, together="p.")
    yield port, [half, Promise("port", "q.", together="p.")], "only a part was made"


def _fill_database(world: World) -> None:
    world.insert(
        "core", "network", id=NETWORK, name="n.", status="ACTIVE", mtu=1500, shared=0, external=0, **NAMED, **TIMES
    )
    segment = {"network_type": "vlan", "physical_network": "leaf", "segmentation_id": 100}
    world.insert(
        "core", "segment", id=SEGMENT, network_id=NETWORK, name="", description="", is_dynamic=0, position=0,
        **segment, **TIMES,
    )  # fmt: skip
    world.insert("core", "segment_allocation", segment_id=SEGMENT, **segment)
    world.insert(
        "core", "subnet", id=SUBNET, network_id=NETWORK, project_id="", name="s.", description="", ip_version=4,
        cidr="10.0.0.0/24", gateway_ip="10.0.0.1", enable_dhcp=1, allocation_pools="[]", dns_nameservers="[]",
        host_routes="[]", **TIMES,
    )  # fmt: skip
    world.insert(
        "core", "subnet", id=SLAAC, network_id=NETWORK, project_id="", name="v.", description="", ip_version=6,
        cidr="2001:db8::/64", gateway_ip="2001:db8::1", enable_dhcp=1, allocation_pools="[]", dns_nameservers="[]",
        host_routes="[]", ipv6_ra_mode="slaac", ipv6_address_mode="slaac", **TIMES,
    )  # fmt: skip
    world.insert(
        "core", "port", id=PORT, network_id=NETWORK, name="p.~2", status="ACTIVE", mac_address=MAC, device_id=SERVER,
        device_owner="compute:nova", fixed_ips=json.dumps(FIXED_IPS), allowed_address_pairs="[]", extra_dhcp_opts="[]",
        **NAMED, **TIMES,
    )  # fmt: skip
    world.insert(
        "core", "port_binding", port_id=PORT, host=HOSTS[0], vnic_type="normal", profile="{}", vif_type="other",
        vif_details="{}", wiring="up", wiring_reason="", failures="[]",
    )  # fmt: skip
    world.insert("core", "binding_level", port_id=PORT, host=HOSTS[0], level=0, driver="leaf", segment_id=SEGMENT)
    world.insert(
        "core", "vendor_attribute", kind="port", resource_id=PORT, driver="leaf", name="rack", value='"rack of host-0"'
    )
    world.insert("core", "ip_allocation", subnet_id=SUBNET, ip_address=ADDRESS, port_id=PORT, position=5)
    world.insert("core", "ip_allocation", subnet_id=SLAAC, ip_address=MADE, port_id=PORT)
    for fabric in FABRICS:
        for kind, id in TOLD:
            world.insert(
                "core", "delivery", kind=kind, resource_id=id, driver=fabric.name, rank=RANKS[kind], network_id=NETWORK,
                desired_revision=3, acknowledged_revision=3, tombstone=0, owed=0, due_at=AT, attempts=0,
                disposition="", reason="", message="",
            )  # fmt: skip


def _fill_fabric(world: World, name: str) -> None:
    world.change(name, "CREATE TABLE held (kind TEXT, id TEXT, revision INTEGER, attributes TEXT, value TEXT)")
    world.change(name, "CREATE TABLE applied (number INTEGER, kind TEXT, id TEXT, revision INTEGER, action TEXT)")
    level = {"level": 0, "driver": "leaf", "segment_id": SEGMENT}
    segment = {"id": SEGMENT, "network_type": "vlan", "physical_network": "leaf", "segmentation_id": 100}
    binding = {"host": HOSTS[0], "vnic_type": "normal", "vif_type": "other", "levels": [level]}
    values: Mapping[str, dict[str, Any]] = {
        NETWORK: {"name": "n.", "mtu": 1500, "segments": [segment]},
        SUBNET: {"name": "s.", "network_id": NETWORK},
        SLAAC: {"name": "v.", "network_id": NETWORK},
        PORT: {"name": "p.~2", "mac_address": MAC, "fixed_ips": FIXED_IPS, "binding": binding},
    }
    for number, (kind, id) in enumerate(TOLD):
        value = json.dumps({"id": id, **values[id]})
        world.insert(name, "held", kind=kind, id=id, revision=3, attributes="{}", value=value)
        world.insert(name, "applied", number=number, kind=kind, id=id, revision=3, action="add")
