"""Bodies that are not what they should be: each is refused with what is wrong, and nothing happens."""

from typing import Any

UNREADABLE = [
    (b"", "Resource body required"),
    (b"{", "Body contains invalid data"),
    (b'{"network": {"name": "x"}', "Body contains invalid data"),
    (b'{"network": {"name": "x",}}', "Body contains invalid data"),
    (b"\xff\xfe", "Body contains invalid data"),
    (b'{"network": {"name": "\xff"}}', "Body contains invalid data"),
    (b'{"network": {"name": "\\ud800"}}', "Body contains invalid data"),
    (b'{"network": {"name": "\\u0000"}}', "Invalid input for name"),
    (b'{"network": {"na\\u0000me": "x"}}', "Unrecognized attribute"),
    (b'{"network": {"mtu": ' + b"1" * 5000 + b"}}", "Body contains invalid data"),
    (b'{"network": {"name": ' + b"[" * 100000, "Body contains invalid data"),
    (b"[]", "Body contains invalid data"),
    (b"null", "Body contains invalid data"),
    (b"{}", "Unable to find 'network' in request body"),
    (b'{"port": {}}', "Unable to find 'network' in request body"),
    (b'{"network": null}', "Object 'network' contains invalid data"),
    (b'{"network": []}', "Object 'network' contains invalid data"),
    (b'{"network": "blue"}', "Object 'network' contains invalid data"),
    (b'{"networks": []}', "Resources required"),
    (b'{"networks": {}}', "Object 'network' contains invalid data"),
    (b'{"networks": [7]}', "Object 'network' contains invalid data"),
    (b'{"networks": [{"name": "a"}, {"name": 7}]}', "Invalid input for name. Reason: '7' is not a valid string"),
    (b'{"networks": [{"name": "a"}, {"name": "\\u0000"}]}', "Invalid input for name"),
]
"""Bodies of a POST of networks, and what their refusal says."""


async def test_body_that_cannot_be_read(api: Any) -> None:
    """A body that is not what it should be is a 400 that says so."""
    for content, said in UNREADABLE:
        status, type_, message = await api.refused("POST", "networks", content=content)

        assert (status, type_) == (400, "HTTPBadRequest"), content[:40]
        assert said in message, content[:40]
        assert await api.list("networks") == [], content[:40]


async def test_nul_deep_inside_a_profile_is_found(api: Any) -> None:
    """A value that is nested deeper than Python calls is looked through all the same."""
    network = await api.create("network")
    profile = b'{"a": ' + b"[" * 900 + b'"\\u0000"' + b"]" * 900 + b"}"
    content = b'{"port": {"network_id": "%s", "binding:profile": %s}}' % (network["id"].encode(), profile)

    status, _, message = await api.refused("POST", "ports", content=content)

    assert status == 400
    assert "binding:profile" in message


async def test_profile_is_bounded_in_depth(api: Any) -> None:
    """A profile of a hundred levels is taken; one that some part of the core could not walk is a 400."""
    network = await api.create("network")
    for depth in (99, 100, 900, 950, 960):
        profile = b'{"a": ' + b"[" * depth + b"]" * depth + b"}"
        content = b'{"port": {"network_id": "%s", "binding:profile": %s}}' % (network["id"].encode(), profile)

        answer = await api.http.post("/v2.0/ports", content=content)

        assert answer.status_code == (201 if depth < 100 else 400), answer.text


async def test_update_of_many_is_refused(api: Any) -> None:
    """A list is no body for one resource."""
    network = await api.create("network")

    status, _, message = await api.refused("PUT", f"networks/{network['id']}", json={"networks": [{"name": "a"}]})

    assert (status, message) == (400, "Bulk operation not supported")


async def test_port_of_a_deleted_network_is_refused(api: Any) -> None:
    """A parent that is gone is not found, even by a process that knew it."""
    network = await api.create("network")
    port = await api.create("port", network_id=network["id"])
    await api.delete("port", port["id"])
    await api.delete("network", network["id"])

    refused = await api.refused("POST", "ports", json={"port": {"network_id": network["id"]}})

    assert refused[:2] == (404, "NetworkNotFound")
    assert await api.list("ports") == []


async def test_project_of_the_headers_is_bounded(api: Any) -> None:
    """A project id that no column holds is refused by name."""
    status, _, message = await api.refused(
        "POST", "networks", json={"network": {}}, headers={"X-Project-Id": "x" * 256}
    )

    assert status == 400
    assert "X-Project-Id" in message
