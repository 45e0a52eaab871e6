"""The extensions that this core implements, and no other.

Clients call what an alias promises, so one is listed here when the last of its
attributes, filters and answers works. ``jackfield-`` aliases are ours; all
others mean what Neutron's extension of that alias means.
"""

from collections.abc import Sequence

from jackfield_core.extensions.base import Extension

EXTENSIONS: Sequence[Extension] = (
    Extension(
        alias="agent",
        name="Agents",
        description="Node agents: where they run, whether they are alive, and their administrative state.",
        updated="2013-02-03T10:00:00-00:00",
    ),
    Extension(
        alias="allowed-address-pairs",
        name="Allowed address pairs",
        description="Addresses that a port may send from besides its own.",
        updated="2013-07-23T10:00:00-00:00",
    ),
    Extension(
        alias="binding",
        name="Port binding",
        description="The host of a port, how it is plugged there, and what the host has to know for it.",
        updated="2014-02-03T10:00:00-00:00",
    ),
    Extension(
        alias="binding-extended",
        name="Several bindings of a port",
        description="The bindings of a port: a second one on the host that its server moves to, and its activation.",
        updated="2017-07-17T10:00:00-00:00",
    ),
    Extension(
        alias="empty-string-filtering",
        name="Filters with empty values",
        description="A list filter with an empty value matches resources whose value is empty.",
        updated="2018-05-01T10:00:00-00:00",
    ),
    Extension(
        alias="external-net",
        name="External networks",
        description="The attribute router:external of networks.",
        updated="2013-01-14T10:00:00-00:00",
    ),
    Extension(
        alias="extra_dhcp_opt",
        name="DHCP options of ports",
        description="DHCP options that are stored with a port.",
        updated="2013-03-17T12:00:00-00:00",
    ),
    Extension(
        alias="filter-validation",
        name="Validated filters",
        description="A list filter that the resource does not have is refused.",
        updated="2018-03-21T10:00:00-00:00",
    ),
    Extension(
        alias="ip-substring-filtering",
        name="Filters by part of an address",
        description="Lists of ports can be narrowed by a part of an IP address.",
        updated="2017-11-28T09:00:00-00:00",
    ),
    Extension(
        alias="jackfield-binding-failures",
        name="Binding failures",
        description="The attribute binding:failures of ports: which drivers did not bind the port, and why.",
        updated="2026-11-21T10:00:00-00:00",
    ),
    Extension(
        alias="jackfield-delivery",
        name="Deliveries",
        description="What drivers have acknowledged and are owed: deliveries, and jackfield:delivery of resources.",
        updated="2026-11-21T18:00:00-00:00",
    ),
    Extension(
        alias="jackfield-dynamic-segments",
        name="Dynamic segments",
        description="The attribute jackfield:dynamic of segments: bindings brought it into being, and take it away.",
        updated="2026-11-22T00:00:00-00:00",
    ),
    Extension(
        alias="jackfield-implementation-details",
        name="Implementation details",
        description="What a compute node needs to plug an interface of a network or port, on a host of its choice.",
        updated="2026-11-21T21:00:00-00:00",
    ),
    Extension(
        alias="jackfield-vendor-attributes",
        name="Attributes of vendors",
        description="Attributes of networks, subnets and ports that a mechanism driver declares, as driver:name.",
        updated="2026-11-21T15:00:00-00:00",
    ),
    Extension(
        alias="jackfield-wiring",
        name="Wiring of ports",
        description="The attribute jackfield:wiring of ports: what their hosts said last, and why they are not up.",
        updated="2026-11-21T19:00:00-00:00",
    ),
    Extension(
        alias="multi-provider",
        name="Networks of several segments",
        description="The attribute segments of networks: more than one provider segment.",
        updated="2013-06-27T10:00:00-00:00",
    ),
    Extension(
        alias="net-mtu",
        name="MTU of networks",
        description="The largest IP packet that a network carries.",
        updated="2015-03-25T10:00:00-00:00",
    ),
    Extension(
        alias="net-mtu-writable",
        name="Writable MTU of networks",
        description="The MTU of a network can be set, up to what its segments carry.",
        updated="2017-07-12T00:00:00-00:00",
    ),
    Extension(
        alias="pagination",
        name="Pagination",
        description="Lists come in pages, with links to the next and the previous one.",
        updated="2016-06-12T00:00:00-00:00",
    ),
    Extension(
        alias="port-security",
        name="Port security",
        description="Whether a port is held to its own addresses; networks have the default for their ports.",
        updated="2012-07-23T10:00:00-00:00",
    ),
    Extension(
        alias="project-id",
        name="project_id",
        description="Resources carry their project as project_id, besides the older tenant_id.",
        updated="2016-09-09T09:09:09-09:09",
    ),
    Extension(
        alias="provider",
        name="Provider networks",
        description="The physical side of a network: its type, physical network and segmentation ID.",
        updated="2012-09-07T10:00:00-00:00",
    ),
    Extension(
        alias="revision-if-match",
        name="If-Match by revision",
        description="The header If-Match: revision_number=N lets a request through only at that revision.",
        updated="2016-12-11T00:00:00-00:00",
    ),
    Extension(
        alias="segment",
        name="Segments",
        description="The segments of networks as resources, and subnets that are tied to one.",
        updated="2016-02-24T17:00:00-00:00",
    ),
    Extension(
        alias="sort-key-validation",
        name="Validated sort keys",
        description="A sort key that the resource does not have is refused.",
        updated="2018-06-06T10:00:00-00:00",
    ),
    Extension(
        alias="sorting",
        name="Sorting",
        description="Lists can be sorted by several keys.",
        updated="2016-06-12T00:00:00-00:00",
    ),
    Extension(
        alias="standard-attr-description",
        name="Descriptions",
        description="Resources carry a description.",
        updated="2016-02-10T10:00:00-00:00",
    ),
    Extension(
        alias="standard-attr-revisions",
        name="Revision numbers",
        description="Resources carry a number that grows with every change.",
        updated="2016-04-11T10:00:00-00:00",
    ),
    Extension(
        alias="standard-attr-segment",
        name="Standard attributes of segments",
        description="Segments carry a revision number, timestamps and a description like other resources.",
        updated="2017-01-30T10:00:00-00:00",
    ),
    Extension(
        alias="standard-attr-timestamp",
        name="Timestamps",
        description="Resources carry when they were created and last changed; changed_since narrows lists.",
        updated="2016-09-12T10:00:00-00:00",
    ),
)
