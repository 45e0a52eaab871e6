"""The type drivers, one by one: what they take, what they refuse, and how much fits through."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jackfield_core import config
from jackfield_core.errors import Conflict, Exhausted, Invalid
from jackfield_core.segments.manager import SegmentManager
from jackfield_core.types import SegmentSpec


def manager(**settings):
    """Return a manager; a list is the ranges of a type."""
    sections = {
        name: config.TypeDriverSettings(ranges=value) if isinstance(value, list) and name != "project_network_types"
        else value
        for name, value in settings.items()
    }  # fmt: skip
    return SegmentManager(config.Segments(**sections))


@pytest.fixture
def reserve(unit_of_work, rows):
    """Reserve segments for a new network, in a transaction of its own."""

    async def call(segments, *specs):
        async with unit_of_work() as tx:
            await segments.bootstrap(tx)
            tree = await rows.tree(tx)
            return await segments.reserve(tx, tree.network.id, specs)

    return call


REFUSED = [
    (SegmentSpec(), "network_type required"),
    (SegmentSpec("ethernet"), "network_type value 'ethernet' not supported"),
    (SegmentSpec("vlan", "leaf1", 5000), r"segmentation_id out of range \(1 through 4094\)"),
    (SegmentSpec("vlan", "leaf1", 0), r"segmentation_id out of range \(1 through 4094\)"),
    (SegmentSpec("vlan", "leaf1", -7), r"segmentation_id out of range \(1 through 4094\)"),
    (SegmentSpec("vlan", None, 5), "segmentation_id requires physical_network for VLAN provider network"),
    (SegmentSpec("flat"), "physical_network required for flat provider network"),
    (SegmentSpec("flat", ""), "physical_network required for flat provider network"),
    (SegmentSpec("flat", "leaf1", 5), "segmentation_id prohibited for flat provider network"),
    (SegmentSpec("flat", "x" * 65), "physical_network is longer than 64 characters"),
    (SegmentSpec("local", "leaf1"), "physical_network prohibited for local provider network"),
    (SegmentSpec("local", None, 5), "segmentation_id prohibited for local provider network"),
    (SegmentSpec("vxlan", "leaf1", 5), "provider:physical_network specified for vxlan network"),
    (SegmentSpec("vxlan", None, 1 << 24), r"segmentation_id out of range \(1 through 16777215\)"),
    (SegmentSpec("geneve", None, 0), r"segmentation_id out of range \(1 through 16777215\)"),
    (SegmentSpec("gre", None, 1 << 32), r"segmentation_id out of range \(1 through 4294967295\)"),
]


@pytest.mark.parametrize(("spec", "reason"), REFUSED)
def test_a_segment_that_cannot_be_is_refused_by_name(spec, reason):
    """The message names the attribute at fault, in the words that Neutron's clients know."""
    with pytest.raises(Invalid, match=reason) as refusal:
        manager().validate([spec])

    assert refusal.value.type == "InvalidInput"


@given(
    st.integers(),
    st.sampled_from([("vlan", "leaf1", 4094), ("vxlan", None, (1 << 24) - 1), ("gre", None, (1 << 32) - 1)]),
)
def test_a_number_is_accepted_exactly_within_its_header(number, kind):
    """For any number, it is valid if and only if the encapsulation has room for it."""
    network_type, physical_network, largest = kind
    spec = SegmentSpec(network_type, physical_network, number)

    if 1 <= number <= largest:
        manager().validate([spec])
    else:
        with pytest.raises(Invalid):
            manager().validate([spec])


def test_the_same_segment_twice_is_refused():
    """A multi-provider network has different segments; those left open become different."""
    whole, partial = SegmentSpec("vlan", "leaf1", 5), SegmentSpec("vlan", "leaf1")

    manager().validate([whole, partial, partial])
    with pytest.raises(Invalid) as refusal:
        manager().validate([whole, SegmentSpec("vxlan", None, 5), whole])
    assert refusal.value.type == "SegmentsContainDuplicateEntry"


@pytest.mark.parametrize(
    ("spec", "is_partial"),
    [
        (SegmentSpec("vlan", "leaf1"), True),
        (SegmentSpec("vlan"), True),
        (SegmentSpec("vlan", "leaf1", 5), False),
        (SegmentSpec("geneve"), True),
        (SegmentSpec("geneve", None, 5), False),
        (SegmentSpec("flat", "leaf1"), False),
        (SegmentSpec("local"), False),
    ],
)
def test_what_is_left_open_is_partial(spec, is_partial):
    """A number that is missing is chosen by the type driver."""
    assert manager().types[spec.network_type].is_partial(spec) is is_partial


@pytest.mark.parametrize(
    ("spec", "other", "error_type", "words"),
    [
        (SegmentSpec("vlan", "leaf1", 7), SegmentSpec("vlan", "leaf2", 7), "VlanIdInUse", "VLAN 7 .* leaf1"),
        (SegmentSpec("flat", "leaf1"), SegmentSpec("flat", "leaf2"), "FlatNetworkInUse", "leaf1"),
        (SegmentSpec("vxlan", None, 7), SegmentSpec("geneve", None, 7), "TunnelIdInUse", "tunnel ID 7"),
        (SegmentSpec("gre", None, 7), SegmentSpec("gre", None, 8), "TunnelIdInUse", "tunnel ID 7"),
    ],
)
async def test_a_segment_in_use_is_a_conflict(reserve, unit_of_work, spec, other, error_type, words):
    """The second network that names a segment is refused, and leaves nothing; a neighbour is not."""
    segments = manager(vlan=["leaf1", "leaf2"])
    await reserve(segments, spec)
    await reserve(segments, other)

    with pytest.raises(Conflict, match=words) as refusal:
        await reserve(segments, spec)

    assert refusal.value.type == error_type


async def test_provider_segments_may_lie_outside_of_the_ranges(reserve):
    """Ranges are what projects get; an operator may take any number of a known physical network."""
    segments = manager(vlan=["leaf1:100:199"], vxlan=["1000:1999"])

    taken = await reserve(segments, SegmentSpec("vlan", "leaf1", 7), SegmentSpec("vxlan", None, 7))

    assert [(one.network_type, one.physical_network, one.segmentation_id) for one in taken] == [
        ("vlan", "leaf1", 7),
        ("vxlan", None, 7),
    ]
    assert [one.position for one in taken] == [0, 1]


@pytest.mark.parametrize("number", [None, 5])
async def test_an_unknown_physical_network_is_refused(reserve, number):
    """A VLAN needs a physical network that has a range, even an empty one."""
    with pytest.raises(Invalid, match="physical_network 'leaf9' unknown for VLAN provider network"):
        await reserve(manager(vlan=["leaf1:100:199"]), SegmentSpec("vlan", "leaf9", number))


async def test_flat_networks_are_limited_to_what_the_settings_name(reserve):
    """With names in the settings only those physical networks can be flat; with * all can."""
    with pytest.raises(Invalid, match="physical_network 'leaf9' unknown for flat provider network"):
        await reserve(manager(flat=["leaf1"]), SegmentSpec("flat", "leaf9"))

    (segment,) = await reserve(manager(flat=["*"]), SegmentSpec("flat", "leaf9"))
    assert (segment.physical_network, segment.segmentation_id) == ("leaf9", None)


async def test_a_number_that_is_left_open_is_taken_from_the_ranges(reserve):
    """A partial provider segment gets a number of its physical network, until there is none."""
    segments = manager(vlan=["leaf1:100:101", "leaf2:100:199"])

    taken = [await reserve(segments, SegmentSpec("vlan", "leaf1")) for _ in range(2)]

    assert sorted(one.segmentation_id for (one,) in taken) == [100, 101]
    with pytest.raises(Exhausted) as refusal:
        await reserve(segments, SegmentSpec("vlan", "leaf1"))
    assert refusal.value.type == "NoNetworkAvailable"


async def test_a_physical_network_without_a_pool_is_for_provider_networks(reserve):
    """A bare name in the settings makes a physical network known, and gives nothing away."""
    segments = manager(vlan=["leaf1"])

    await reserve(segments, SegmentSpec("vlan", "leaf1", 7))
    with pytest.raises(Exhausted):
        await reserve(segments, SegmentSpec("vlan", "leaf1"))


async def test_local_networks_need_nothing(reserve):
    """There is no limit to networks that do not leave their host."""
    for _ in range(3):
        (segment,) = await reserve(manager(), SegmentSpec("local"))
        assert (segment.network_type, segment.segmentation_id) == ("local", None)


@pytest.mark.parametrize(
    ("network_type", "ip_version", "mtu"),
    [
        ("vxlan", 4, 1450),
        ("vxlan", 6, 1430),
        ("gre", 4, 1458),
        ("geneve", 4, 1442),
        ("geneve", 6, 1422),
        ("vlan", 4, 1500),
        ("flat", 6, 1500),
        ("local", 4, 1500),
    ],
)
def test_tunnels_subtract_their_headers(network_type, ip_version, mtu):
    """What is left for IP is the underlay's MTU without the outer headers."""
    assert manager(underlay_ip_version=ip_version).types[network_type].mtu(None) == mtu


def test_a_physical_network_may_have_an_mtu_of_its_own(rows):
    """A network with several segments is as narrow as the narrowest of them."""
    segments = manager(physical_mtu=9000, physical_network_mtus={"leaf1": 1600})
    network = rows.network()
    vlan = rows.segment(network, network_type="vlan", physical_network="leaf1")
    other, vxlan = rows.segment(network, network_type="vlan", physical_network="leaf2"), rows.segment(network)

    assert segments.mtu([vlan]) == 1600
    assert segments.mtu([other]) == 9000
    assert segments.mtu([other, vxlan]) == 8950
    assert segments.mtu([vlan, vxlan]) == 1600
    assert segments.mtu([]) == 9000


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"vxlan": ["1-9"]}, r'segments.vxlan.ranges: "1-9" does not end with two numbers'),
        ({"vxlan": ["9:1"]}, r'segments.vxlan.ranges: "9:1" is not within 1:16777215'),
        ({"geneve": ["0:9"]}, r'"0:9" is not within'),
        ({"gre": ["1:9", "9:12"]}, "segments.gre.ranges: 1:9 and 9:12 share numbers"),
        ({"vlan": ["leaf1:1:4095"]}, r'"leaf1:1:4095" is not within 1:4094'),
        ({"vlan": [":1:9"]}, "does not begin with a physical network"),
        ({"vlan": ["leaf1:1"]}, "does not end with two numbers"),
        ({"vlan": ["leaf1:1:9", "leaf2:5:9", "leaf1:5:6"]}, "1:9 and 5:6 share numbers"),
        ({"project_network_types": ["vxlan", "token-ring"]}, 'there is no type driver "token-ring"'),
    ],
)
def test_wrong_settings_are_explained(settings, sentence):
    """The operator reads which key is wrong, and how it should look."""
    with pytest.raises(ValueError, match=sentence):
        manager(**settings)
