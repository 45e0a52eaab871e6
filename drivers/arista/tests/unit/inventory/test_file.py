"""The inventory's file: every fault with its line, and nothing quoted that may be a secret."""

import traceback
from pathlib import Path

import pytest
from jackfield_arista.inventory.file import InventoryInvalid, parse_inventory, read_inventory

FILE = Path("inventory.yaml")
EXAMPLE = Path(__file__).parents[3] / "inventory.example.yaml"
GOOD = """\
credentials:
  leafs: {username: jackfield, password: "env:LEAFS"}
groups:
  rack1: {physical_network: rack1}
switches:
  leaf1: &leaf
    address: 192.0.2.1
    credential: leafs
    group: rack1
    chassis_id: 10:11:22:33:44:55
    maintenance: true
  leaf2:
    <<: *leaf
    address: 192.0.2.2
    chassis_id: 001c73000002
    maintenance: false
attachments:
  - {host: compute-1, switch: leaf1, interfaces: [Ethernet1]}
"""


def faults_of(text: str) -> list[str]:
    with pytest.raises(InventoryInvalid) as caught:
        parse_inventory(text, FILE)
    return str(caught.value).splitlines()


def test_a_file_is_read():
    """Numbers and truths are what they are, a MAC address is text, and one switch may be like another."""
    inventory = parse_inventory(GOOD, FILE)

    leaf1, leaf2 = inventory.switch("leaf1"), inventory.switch("leaf2")
    assert (leaf1.chassis_id, leaf1.maintenance) == ("10:11:22:33:44:55", True)
    assert (leaf2.address, leaf2.group, leaf2.maintenance) == ("192.0.2.2", "rack1", False)
    assert [place.port for place in inventory.of_host("compute-1")] == ["Ethernet1"]


def test_the_example_is_valid():
    """The example that comes with the driver is an inventory, and uses what the driver can."""
    inventory = read_inventory(EXAMPLE)

    assert {switch.mlag_peer for switch in inventory.switches.values()} > {None}
    assert {attachment.role.value for attachment in inventory.attachments} == {"hypervisor", "baremetal"}


def test_nothing_is_an_inventory_of_nothing():
    """An empty file has no switches, which is how a rollout begins."""
    assert not parse_inventory("", FILE).switches


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("credential: leafs", "credential: leaves", "inventory.yaml:8: switches.leaf1.credential: there is no"),
        ("maintenance: true", "maintenence: true", "inventory.yaml:11: switches.leaf1.maintenence: no such setting"),
        ("    group: rack1\n", "", "inventory.yaml:6: switches.leaf1.group: is missing"),
        ("10:11:22:33:44:55", "leaf-one", "inventory.yaml:10: switches.leaf1.chassis_id: must be a MAC address"),
        ("[Ethernet1]", "[Ethernet]", "inventory.yaml:18: attachments.0.interfaces.0: must be an interface"),
        ("001c73000002", "1011.2233.4455", "inventory.yaml:15: switches.leaf2.chassis_id: leaf1 has the same"),
        ("  leaf2:", "  leaf1:", "inventory.yaml:12: this key was given before"),
        ("groups:", "groups: [", "inventory.yaml:5: expected ',' or ']', but got '<scalar>'"),
        ("192.0.2.2", "192.0.2.2:830", "inventory.yaml:14: switches.leaf2.address: must be an IP address or a host"),
        ("  - {host", "  {host", "inventory.yaml:17: attachments: must be a list"),
        ("address: 192.0.2.1", "address: 192.0.2.1\n    port: 0", "inventory.yaml:8: switches.leaf1.port: "),
    ],
)
def test_a_fault_is_told_with_file_line_path_and_fact(old, new, fault):
    """Whoever reads the message can go to the line and mend it."""
    assert old in GOOD
    told = faults_of(GOOD.replace(old, new, 1))

    assert any(line.startswith(fault) for line in told), told


def test_all_faults_are_told_at_once_and_in_order():
    """A file is mended in one go."""
    text = GOOD.replace("credential: leafs", "port: 99999").replace("[Ethernet1]", "[]")

    assert [line.split(": ")[0] for line in faults_of(text)] == [
        "inventory.yaml:6",
        "inventory.yaml:8",
        "inventory.yaml:8",
        "inventory.yaml:12",
        "inventory.yaml:18",
    ]


@pytest.mark.parametrize(
    "line",
    [
        "password: hunter22secret",
        "password: *hunter22secret",
        "password: !hunter22secret x",
        "password: [hunter22secret",
        "passwort: hunter22secret",
        "password: {x: hunter22secret}",
        "password: 'hunter22secret",
        "password: %hunter22secret",
        "password: file:hunter22secret",
        "hunter22secret",
    ],
)
def test_what_may_be_a_secret_is_not_quoted(line):
    """A password in the wrong place is in no message and in no trace."""
    text = GOOD.replace('{username: jackfield, password: "env:LEAFS"}', f"\n    username: jackfield\n    {line}")
    with pytest.raises(InventoryInvalid) as caught:
        parse_inventory(text, FILE)

    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert "hunter22secret" not in shown
    assert str(caught.value).startswith("inventory.yaml:")


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    """No file, a folder, and what is no text are told as such."""
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00")

    for file, fact in (
        (tmp_path / "none.yaml", "No such file or directory"),
        (tmp_path, "Is a directory"),
        (binary, "is not UTF-8 text"),
    ):
        with pytest.raises(InventoryInvalid) as caught:
            read_inventory(file)
        assert str(caught.value) == f"{file}: {fact}"
