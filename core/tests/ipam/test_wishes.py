"""What a port is to get, before anything is taken."""

import pytest
from jackfield_core.db.tree import NetworkTree
from jackfield_core.errors import Invalid
from jackfield_core.ipam.wishes import Certain, Choice, PortAddresses, wishes
from jackfield_core.types import FixedIp, FixedIpRequest

MAC = "fa:16:3e:00:00:01"
SELF_MADE = "2001:db8:2:0:f816:3eff:fe00:1"


@pytest.fixture
def subnets(rows):
    """Make two IPv4 subnets, a stateful and a self-addressing IPv6 subnet."""
    network = rows.network()
    return (
        rows.subnet(network, "10.0.0.0/24", id="a"),
        rows.subnet(network, "10.0.1.0/24", id="b"),
        rows.subnet(network, "2001:db8:1::/64", id="stateful", ipv6_address_mode="dhcpv6-stateful"),
        rows.subnet(network, "2001:db8:2::/64", id="slaac", ipv6_address_mode="slaac", ipv6_ra_mode="slaac"),
    )


@pytest.fixture
def tree(rows, subnets):
    return NetworkTree(rows.network(), (), subnets)


def of(tree, *requests, automatic=False, **values):
    fixed_ips = None if automatic else tuple(FixedIpRequest(*request) for request in requests)
    return wishes(tree, PortAddresses("port", MAC, fixed_ips=fixed_ips, **values))


def test_automatic_addresses_are_one_of_each_version_and_the_self_made(tree, subnets):
    """A port without wishes gets an IPv4 address, a stateful IPv6 address, and what its host will make."""
    a, b, stateful, slaac = subnets

    assert of(tree, automatic=True) == [Choice((a, b)), Choice((stateful,)), Certain(slaac, SELF_MADE)]


def test_no_addresses_are_none(tree):
    """An empty list means that the port has no address at all."""
    assert of(tree) == []


def test_a_network_without_subnets_gives_no_addresses(rows):
    """That is no error, unless addresses are asked for."""
    bare = NetworkTree(rows.network())

    assert of(bare, automatic=True) == []
    with pytest.raises(Invalid, match="requires subnets"):
        of(bare, ("a", None))


def test_requests_are_by_subnet_by_address_or_both(tree, subnets):
    """An address alone finds its subnet; the self-made address comes without being asked for."""
    a, b, _, slaac = subnets
    made = Certain(slaac, SELF_MADE)

    assert of(tree, ("b", None)) == [Choice((b,)), made]
    assert of(tree, (None, "10.0.1.9")) == [Certain(b, "10.0.1.9"), made]
    assert of(tree, ("a", "10.0.0.9"), ("a", None)) == [Certain(a, "10.0.0.9"), Choice((a,)), made]


def test_addresses_are_compared_in_canonical_form(tree, subnets):
    """One address has one spelling."""
    assert of(tree, (None, "2001:DB8:1:0::00A"))[0] == Certain(subnets[2], "2001:db8:1::a")


@pytest.mark.parametrize(
    ("request_", "error_type", "words"),
    [
        ((None, None), "InvalidInput", "requires subnet_id or ip_address"),
        (("elsewhere", None), "InvalidInput", "invalid subnet elsewhere"),
        (("a", "10.0.1.9"), "InvalidIpForSubnet", "10.0.1.9"),
        (("a", "10.0.0.0"), "InvalidIpForSubnet", "10.0.0.0"),
        (("a", "10.0.0.255"), "InvalidIpForSubnet", "10.0.0.255"),
        ((None, "172.16.0.1"), "InvalidIpForNetwork", "172.16.0.1"),
        ((None, "10.0.0.255"), "InvalidIpForNetwork", "10.0.0.255"),
        (("stateful", "2001:db8:1::"), "InvalidIpForSubnet", "2001:db8:1::"),
        (("slaac", "2001:db8:2::5"), "AllocationOnAutoAddressSubnet", "2001:db8:2::5"),
        ((None, "2001:db8:2::5"), "AllocationOnAutoAddressSubnet", "slaac"),
        ((None, "somewhere"), "InvalidInput", "ip_address"),
    ],
)
def test_what_the_network_does_not_have_is_refused(tree, request_, error_type, words):
    """Each mistake has Neutron's name, and the message says what is wrong."""
    with pytest.raises(Invalid, match=words) as refusal:
        of(tree, request_)

    assert refusal.value.type == error_type


def test_the_gateway_can_be_asked_for(tree, subnets):
    """A router is a port with the gateway's address."""
    assert of(tree, ("a", "10.0.0.1"))[0] == Certain(subnets[0], "10.0.0.1")


def test_the_self_made_address_may_be_named(tree, subnets):
    """Sending back what was shown is no mistake, and gives nothing twice."""
    assert of(tree, ("slaac", SELF_MADE), ("slaac", None)) == [Certain(subnets[3], SELF_MADE)]


def test_routers_choose_on_self_addressing_subnets_too(tree, subnets):
    """A router has the addresses that it is given, and no self-made ones."""
    owner = "network:router_interface"

    assert of(tree, ("slaac", "2001:db8:2::1"), device_owner=owner) == [Certain(subnets[3], "2001:db8:2::1")]
    assert of(tree, ("slaac", "2001:db8:2::"), device_owner=owner) == [Certain(subnets[3], "2001:db8:2::")]
    assert of(tree, ("slaac", None), device_owner=owner) == [Choice((subnets[3],))]
    assert of(tree, automatic=True, device_owner=owner) == [Choice(subnets[:2]), Choice(subnets[2:3])]


def test_held_addresses_are_kept_where_they_still_fit(tree, subnets):
    """An update keeps what is asked for again, certain addresses first, and wants only the rest."""
    a, b, _, _slaac = subnets
    five, six, made = FixedIp("a", "10.0.0.5"), FixedIp("a", "10.0.0.6"), FixedIp("slaac", SELF_MADE)

    assert of(tree, ("a", None), ("a", "10.0.0.5"), held=(five, six, made)) == [six, five, made]
    assert of(tree, ("a", None), ("a", None), held=(five, made)) == [five, Choice((a,)), made]
    assert of(tree, ("b", None), held=(five, made)) == [Choice((b,)), made]


def test_a_new_mac_address_makes_a_new_self_made_address(tree, subnets):
    """What the old address made is not held any more."""
    made = FixedIp("slaac", SELF_MADE)

    found = wishes(tree, PortAddresses("port", "fa:16:3e:00:00:02", fixed_ips=(FixedIpRequest("slaac"),), held=(made,)))

    assert found == [Certain(subnets[3], "2001:db8:2:0:f816:3eff:fe00:2")]
