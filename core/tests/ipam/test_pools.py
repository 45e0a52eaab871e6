"""The arithmetic of subnets, checked against Python's own for any subnet."""

import ipaddress

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from jackfield_core.errors import Conflict, Invalid
from jackfield_core.ipam import pools
from jackfield_core.types import AllocationPool


@st.composite
def networks(draw, *, smallest=0):
    """Draw a network of either version with a prefix of at least one bit."""
    bits, kind = draw(st.sampled_from([(32, ipaddress.IPv4Network), (128, ipaddress.IPv6Network)]))
    prefix = draw(st.integers(1, bits - smallest))
    base = draw(st.integers(0, (1 << prefix) - 1)) << (bits - prefix)
    return kind((base, prefix))


def small_networks():
    """Draw a network that is small enough to look at every address."""
    return networks().filter(lambda network: network.num_addresses <= 256)


def members(allocation_pools):
    """Return every address of some pools."""
    return [
        ipaddress.ip_address(place)
        for pool in allocation_pools
        for place in range(int(ipaddress.ip_address(pool.start)), int(ipaddress.ip_address(pool.end)) + 1)
    ]


@given(small_networks(), st.integers(-2, 258))
def test_default_pools_are_all_hosts_but_the_gateway(network, offset):
    """For any subnet and any gateway, in the subnet or not, the pools hold every other host once."""
    first = int(network.network_address) + offset
    assume(0 <= first < 1 << network.max_prefixlen)
    gateway = type(network.network_address)(first)

    hosts = [address for address in network if pools.is_host(str(network), str(address))]
    found = [str(address) for address in members(pools.default_pools(str(network), str(gateway)))]

    assume(network.version == 4 or int(network.network_address) > 0xFFFFFFFF)  # else Python calls it IPv4
    assert found == [str(address) for address in hosts if address != gateway]


@given(networks())
def test_hosts_leave_out_network_and_broadcast(network):
    """IPv4 keeps two addresses for itself, IPv6 one, point-to-point and single ones none."""
    first, last = str(network[0]), str(network[-1])
    tiny = network.num_addresses <= 2

    assert pools.is_host(str(network), first) is tiny
    assert pools.is_host(str(network), last) is (tiny or network.version == 6)


@given(networks(), st.data())
def test_positions_and_addresses_are_inverse(network, data):
    """Any place in a subnet has one address, and that address has this place."""
    place = data.draw(st.integers(0, network.num_addresses - 1))
    address = pools.address_at(str(network), place)

    assert ipaddress.ip_address(address) in network
    assert pools.position(str(network), address) == place


@given(networks(), networks())
def test_overlap_is_mutual(one, other):
    """Two subnets overlap if and only if one holds the other's first address."""
    expected = one.version == other.version and (one[0] in other or other[0] in one)

    assert pools.overlap(str(one), str(other)) is expected
    assert pools.overlap(str(other), str(one)) is expected


@given(networks())
def test_a_canonical_cidr_stays_as_it_is(network):
    """What is canonical is accepted and returned."""
    assert pools.parse_cidr(str(network), network.version) == str(network)


@pytest.mark.parametrize(
    ("text", "ip_version", "canonical"),
    [("2001:DB8:0:0::/64", 6, "2001:db8::/64"), ("10.0.0.0/255.255.255.0", 4, "10.0.0.0/24")],
)
def test_other_spellings_become_canonical(text, ip_version, canonical):
    """One subnet has one spelling in the database."""
    assert pools.parse_cidr(text, ip_version) == canonical


@pytest.mark.parametrize(
    ("text", "ip_version"),
    [
        ("10.0.0.5/24", 4),
        ("10.0.0.0", 4),
        ("10.0.0.0/24", 6),
        ("2001:db8::/64", 4),
        ("0.0.0.0/0", 4),
        ("::/0", 6),
        ("10.0.0.0/33", 4),
        ("", 4),
        ("leaf1", 4),
        ("10.0.0.0/24/24", 4),
        ("10.0.0.0/-1", 4),
    ],
)
def test_what_is_no_subnet_is_refused(text, ip_version):
    """Host bits, the wrong version, nonsense, and the whole Internet are the user's mistake."""
    with pytest.raises(Invalid, match="cidr"):
        pools.parse_cidr(text, ip_version)


@pytest.mark.parametrize(
    ("cidr", "gateway_ip"),
    [
        ("10.0.0.0/24", "10.0.0.1"),
        ("2001:db8::/64", "2001:db8::1"),
        ("10.0.0.0/31", "10.0.0.1"),
        ("10.0.0.0/32", None),
    ],
)
def test_the_default_gateway_is_the_address_behind_the_first(cidr, gateway_ip):
    """As Neutron chooses it."""
    assert pools.default_gateway(cidr) == gateway_ip


@pytest.mark.parametrize("gateway_ip", ["10.0.0.0", "10.0.0.255", "2001:db8::1", "nobody", "fe80::1%eth0"])
def test_a_gateway_must_be_a_host(gateway_ip):
    """Network and broadcast address route nothing."""
    with pytest.raises(Invalid, match="gateway_ip"):
        pools.check_gateway("10.0.0.0/24", gateway_ip)


@pytest.mark.parametrize("gateway_ip", ["10.0.0.1", "10.0.0.254", "172.16.0.1"])
def test_a_gateway_may_lie_outside_of_the_subnet(gateway_ip):
    """A host can reach such a gateway over a link route."""
    pools.check_gateway("10.0.0.0/24", gateway_ip)


def test_pools_come_back_sorted_and_canonical():
    """However they are written, pools are stored in one way."""
    wanted = [AllocationPool("2001:DB8::f0", "2001:db8::FF"), AllocationPool("2001:db8:0::2", "2001:db8::e")]

    assert pools.check_pools("2001:db8::/64", wanted, "2001:db8::1") == (
        AllocationPool("2001:db8::2", "2001:db8::e"),
        AllocationPool("2001:db8::f0", "2001:db8::ff"),
    )


@pytest.mark.parametrize(
    ("start", "end", "error_type"),
    [
        ("10.0.0.9", "10.0.0.2", "InvalidAllocationPool"),
        ("2001:db8::2", "2001:db8::9", "InvalidAllocationPool"),
        ("10.0.0.2", "2001:db8::9", "InvalidAllocationPool"),
        ("10.0.0.0", "10.0.0.9", "OutOfBoundsAllocationPool"),
        ("10.0.0.9", "10.0.0.255", "OutOfBoundsAllocationPool"),
        ("10.0.1.2", "10.0.1.9", "OutOfBoundsAllocationPool"),
        ("somewhere", "10.0.0.9", "InvalidInput"),
    ],
)
def test_a_pool_must_lie_in_its_subnet(start, end, error_type):
    """A pool that leaves the subnet, or is none, is refused by Neutron's name."""
    with pytest.raises(Invalid) as refusal:
        pools.check_pools("10.0.0.0/24", [AllocationPool(start, end)], None)

    assert refusal.value.type == error_type


@given(
    st.lists(st.tuples(st.integers(1, 254), st.integers(1, 254)).map(sorted), min_size=1, max_size=5),
    st.integers(1, 254),
)
def test_pools_are_accepted_if_they_share_nothing(spans, gateway):
    """For any pools, overlaps are found, and the gateway is found in them."""
    wanted = [AllocationPool(f"10.0.0.{low}", f"10.0.0.{high}") for low, high in spans]
    places = [place for low, high in spans for place in range(low, high + 1)]

    def check():
        return pools.check_pools("10.0.0.0/24", wanted, f"10.0.0.{gateway}")

    if len(set(places)) < len(places):
        with pytest.raises(Conflict) as refusal:
            check()
        assert refusal.value.type == "OverlappingAllocationPools"
    elif gateway in places:
        with pytest.raises(Conflict) as refusal:
            check()
        assert refusal.value.type == "GatewayConflictWithAllocationPools"
    else:
        assert sorted(place for place in places) == [int(one) & 255 for one in members(check())]


def test_self_made_addresses_follow_the_mac_address():
    """The example of RFC 4291, appendix A, in a documentation prefix."""
    assert pools.eui64("2001:db8::/64", "34:56:78:9a:bc:de") == "2001:db8::3656:78ff:fe9a:bcde"
    assert pools.eui64("2001:db8:0:1::/64", "fa:16:3e:00:00:01") == "2001:db8:0:1:f816:3eff:fe00:1"
