"""Vendor attributes as users see them, while their drivers are down.

Two drivers have introduced themselves once and are away: all that is known of
their attributes comes from the database.
"""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from jackfield_core import config
from jackfield_core.app import Application
from jackfield_core.db.attribute_schema import AttributeSchema
from jackfield_core.db.base import now
from jackfield_core.db.driver import DriverRecord, Interest
from jackfield_core.db.engine import Database
from jackfield_core.db.unit_of_work import Tables
from jackfield_core.types import Action, Kind
from pydantic import ValidationError

BULK = 40
SECRET = "s3cret-of-the-vendor"
EVERYTHING = tuple(Interest(kind, tuple(Action), ("postcommit",)) for kind in Kind)
USER = {"X-Roles": "member"}


def schema(
    driver: str,
    kind: Kind,
    name: str,
    json_schema: Any,
    *,
    mutable: bool = True,
    sensitive: tuple[str, ...] = (),
    read_only: bool = False,
    operator_only: bool = False,
) -> AttributeSchema:
    """Return what a driver declared."""
    text = json.dumps(json_schema)
    return AttributeSchema(driver, kind, name, 1, text, mutable, sensitive, read_only, operator_only)


PLACE = {
    "type": "object",
    "properties": {"rack": {"type": "integer", "minimum": 1}, "key": {"type": "string", "maxLength": 30}},
    "additionalProperties": False,
}
SCHEMAS = {
    "fabric": [
        *(schema("fabric", kind, "colour", {"enum": ["red", "blue"]}) for kind in Kind),
        schema("fabric", Kind.PORT, "place", PLACE, sensitive=("/key",)),
        schema("fabric", Kind.PORT, "fixed", {"type": "string"}, mutable=False),
        schema("fabric", Kind.PORT, "found", {}, read_only=True),
        schema("fabric", Kind.PORT, "tuning", {"type": "integer"}, operator_only=True),
    ],
    "spine": [schema("spine", Kind.PORT, "colour", {"type": "integer"})],
}


@pytest.fixture
def settings(settings: config.Settings) -> config.Settings:
    """Configure two drivers that nobody serves."""
    drivers = [config.Driver(name=name, endpoint=f"unix:///nowhere/{name}.sock", policy="advisory") for name in SCHEMAS]
    return settings.model_copy(update={"drivers": drivers})


@pytest.fixture
async def application(settings: config.Settings, database: Database) -> AsyncIterator[Application]:
    """Run a core that finds in its database what the drivers once said."""
    async with database.writing() as connection:
        tables = Tables(connection)
        for name, schemas in SCHEMAS.items():
            record = DriverRecord(name, "1", "i", EVERYTHING, None, {}, now(), None, b"digest", ("attributes",))
            await tables.drivers.save(record)
            await tables.attribute_schemas.save(name, schemas)
    application = Application(settings)
    await application.start()
    yield application
    await application.stop()


@pytest.fixture
async def network(api: Any) -> Any:
    """Create a network."""
    return await api.create("network")


async def rows(application: Application, kind: Kind, id: str) -> Any:
    """Return the stored values of a resource."""
    async with application.unit_of_work.reading() as tables:
        return (await tables.vendor_attributes.list(kind, [id])).get(id)


async def test_attributes_are_stored_and_shown(api: Any) -> None:
    """What a user gives is in the answer, in the resource and in lists; what has no value is null."""
    network = await api.create("network", **{"fabric:colour": "red"})
    subnet = await api.create(
        "subnet", network_id=network["id"], ip_version=4, cidr="192.0.2.0/24", **{"fabric:colour": "blue"}
    )
    port = await api.create("port", network_id=network["id"])

    assert network["fabric:colour"] == "red"
    assert subnet["fabric:colour"] == "blue"
    assert {name for name in port if ":" in name and not name.startswith(("binding:", "jackfield:"))} == {
        "fabric:colour", "fabric:place", "fabric:fixed", "fabric:found", "fabric:tuning", "spine:colour",
    }  # fmt: skip
    assert port["fabric:colour"] is None
    assert (await api.get(f"networks/{network['id']}"))["network"]["fabric:colour"] == "red"
    assert [one["fabric:colour"] for one in await api.list("networks")] == ["red"]
    assert [one["fabric:colour"] for one in await api.list("subnets", "limit=1")] == ["blue"]
    assert [one["fabric:colour"] for one in await api.list("ports")] == [None]


async def test_drivers_with_the_same_name_for_an_attribute_do_not_meet(
    api: Any, network: Any, application: Application
) -> None:
    """The name of the driver is part of the name of the attribute."""
    port = await api.create(
        "port", network_id=network["id"], **{"fabric:colour": "red", "spine:colour": 7, "name": "web"}
    )

    assert (port["name"], port["fabric:colour"], port["spine:colour"]) == ("web", "red", 7)
    assert await rows(application, Kind.PORT, port["id"]) == {("fabric", "colour"): b'"red"', ("spine", "colour"): b"7"}
    status, _, message = await api.refused("PUT", f"ports/{port['id']}", json={"port": {"spine:colour": "red"}})
    assert (status, "spine:colour" in message) == (400, True)


async def test_change_of_an_attribute_is_a_change(api: Any, network: Any, application: Application) -> None:
    """It raises the revision and is owed to drivers, and what is not named stays."""
    port = await api.create("port", network_id=network["id"], **{"fabric:colour": "red", "fabric:fixed": "f"})

    changed = await api.update("port", port["id"], **{"fabric:colour": "blue"})

    assert (changed["fabric:colour"], changed["fabric:fixed"]) == ("blue", "f")
    assert changed["revision_number"] == port["revision_number"] + 1
    async with application.unit_of_work.reading() as tables:
        debts = await tables.deliveries.list(driver="fabric", resource_id=port["id"])
    assert [debt.desired_revision for debt in debts] == [changed["revision_number"]]


async def test_null_takes_an_attribute_away(api: Any, network: Any, application: Application) -> None:
    """As with other attributes, null stands for no value, whatever the schema says."""
    port = await api.create("port", network_id=network["id"], **{"fabric:colour": "red", "spine:colour": None})
    assert port["spine:colour"] is None

    changed = await api.update("port", port["id"], **{"fabric:colour": None})

    assert changed["fabric:colour"] is None
    assert await rows(application, Kind.PORT, port["id"]) is None


async def test_several_resources_are_created_at_once(api: Any, network: Any) -> None:
    """Each has its own values; one wrong value, and none is created."""
    bodies = [{"network_id": network["id"], "spine:colour": number} for number in range(BULK)]
    answer = await api.http.post("/v2.0/ports", json={"ports": [*bodies, {"network_id": network["id"]}]})
    assert answer.status_code == 201
    assert [port["spine:colour"] for port in answer.json()["ports"]] == [*range(BULK), None]

    wrong = [{"network_id": network["id"]}, {"network_id": network["id"], "spine:colour": "red"}]
    status, type, message = await api.refused("POST", "ports", json={"ports": wrong})
    assert (status, type) == (400, "InvalidInput")
    assert "spine:colour" in message
    assert len(await api.list("ports")) == BULK + 1


async def test_wanted_fields_may_be_attributes_of_vendors(api: Any, network: Any) -> None:
    """A client that names fields gets those, whoever they belong to."""
    port = await api.create("port", network_id=network["id"], name="web", **{"fabric:colour": "red"})

    assert (await api.get(f"ports/{port['id']}", fields=["name", "fabric:colour"]))["port"] == {
        "name": "web",
        "fabric:colour": "red",
    }
    assert await api.list("ports", "fields=fabric:colour") == [{"fabric:colour": "red"}]
    assert await api.list("ports", "fields=name") == [{"name": "web"}]


@pytest.mark.parametrize(
    ("method", "attributes", "message"),
    [
        ("POST", {"fabric:size": 1}, "Unrecognized attribute(s) 'fabric:size'"),
        ("POST", {"spine:place": {}}, "Unrecognized attribute(s) 'spine:place'"),
        ("POST", {"fabric:found": 1}, "Attribute 'fabric:found' not allowed in POST"),
        ("PUT", {"fabric:found": 1}, "Cannot update read-only attribute fabric:found"),
        ("PUT", {"fabric:fixed": "f"}, "Cannot update read-only attribute fabric:fixed"),
        ("POST", {"fabric:colour": "green"}, 'Invalid input for fabric:colour. Reason: the value at "" breaks'),
        (
            "PUT",
            {"fabric:place": {"rack": 0}},
            'for fabric:place. Reason: the value at "/rack" breaks the rule {"minim',
        ),
        ("POST", {"fabric:colour": "red", "name": 7}, "Invalid input for name. Reason: '7' is not a valid string."),
    ],
)
async def test_wrong_attributes_are_refused_by_name(
    api: Any, network: Any, method: str, attributes: Any, message: str
) -> None:
    """The refusal says which attribute, and what is the matter with it."""
    port = await api.create("port", network_id=network["id"])
    path = "ports" if method == "POST" else f"ports/{port['id']}"
    body = {"network_id": network["id"], **attributes} if method == "POST" else attributes

    status, _, told = await api.refused(method, path, json={"port": body})

    assert status == 400
    assert message in told


async def test_operators_attributes_do_not_exist_for_others(api: Any, network: Any) -> None:
    """Users neither see nor set them, and cannot find out that they are there."""
    port = await api.create("port", network_id=network["id"], **{"fabric:tuning": 3})
    assert port["fabric:tuning"] == 3

    seen = (await api.http.get(f"/v2.0/ports/{port['id']}", headers=USER)).json()["port"]
    assert "fabric:tuning" not in seen
    assert "fabric:colour" in seen
    picked = await api.http.get(f"/v2.0/ports/{port['id']}?fields=fabric:tuning", headers=USER)
    assert picked.json() == {"port": {}}
    for name in ("fabric:tuning", "fabric:nothing"):
        status, _, told = await api.refused("PUT", f"ports/{port['id']}", json={"port": {name: 4}}, headers=USER)
        assert (status, told) == (400, f"Unrecognized attribute(s) '{name}'")
    changed = await api.http.put(f"/v2.0/ports/{port['id']}", json={"port": {"name": "web"}}, headers=USER)
    assert changed.status_code == 200
    assert (await api.get(f"ports/{port['id']}"))["port"]["fabric:tuning"] == 3


async def test_secrets_are_in_no_answer_and_in_no_log(
    api: Any, network: Any, application: Application, capfd: pytest.CaptureFixture[str]
) -> None:
    """A value at a sensitive path is stored and nowhere seen again, not even in a refusal."""
    place = {"rack": 4, "key": SECRET}
    answers = [await api.create("port", network_id=network["id"], **{"fabric:place": place})]
    id = answers[0]["id"]
    answers.append(await api.update("port", id, name="web"))
    answers.append((await api.get(f"ports/{id}"))["port"])
    answers += await api.list("ports")
    assert [answer["fabric:place"] for answer in answers] == [{"rack": 4, "key": "***"}] * 4
    stored = f'{{"key":"{SECRET}","rack":4}}'.encode()
    assert await rows(application, Kind.PORT, id) == {("fabric", "place"): stored}

    refused = [
        await api.refused("PUT", f"ports/{id}", json={"port": {"fabric:place": {"key": SECRET * 3}}}),
        await api.refused("PUT", f"ports/{id}", json={"port": {"fabric:place": {"rack": 0, "key": SECRET}}}),
        await api.refused("PUT", f"ports/{id}", json={"port": {"fabric:place": SECRET}}),
        await api.refused("PUT", f"ports/{id}", json={"port": {"fabric:place": {"key": SECRET}, "name": 5}}),
    ]
    assert [status for status, _, _ in refused] == [400] * 4
    assert SECRET not in repr(refused)
    written = capfd.readouterr()
    assert SECRET not in written.out + written.err


async def test_attributes_go_with_their_resource(api: Any, network: Any, application: Application) -> None:
    """What is deleted keeps its values as long as drivers are owed its end."""
    port = await api.create("port", network_id=network["id"], **{"fabric:colour": "red"})

    await api.delete("port", port["id"])

    assert await rows(application, Kind.PORT, port["id"]) == {("fabric", "colour"): b'"red"'}


@pytest.mark.parametrize("name", ["binding", "provider", "router"])
def test_drivers_do_not_hide_attributes_of_the_api(name: str) -> None:
    """A driver called "binding" could declare "binding:host_id"; it needs another name."""
    with pytest.raises(ValidationError, match="another name"):
        config.Driver(name=name, endpoint="unix:///nowhere")
