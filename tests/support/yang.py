"""Judge what is sent to a switch by the models of its maker: OpenConfig as Arista's EOS 4.36.1F implements it.

The judge is libyang's program ``yanglint`` (Debian package ``libyang-tools``). The models are not part
of the project; they are read from the folder that the variable ``JACKFIELD_YANG`` names, by default
``shared/yang`` beside the checkout. Where one of the two is absent, tests are skipped and say so.

A payload is judged twice: each of its elements must exist and have a value of its type, even one that
is removed; and what is left of it when it has removed what it removes must be a valid configuration.
"""

import copy
import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

from lxml import etree

FOLDER = Path(os.environ.get("JACKFIELD_YANG") or Path(__file__).parents[3] / "shared" / "yang")
RELEASE = FOLDER / "arista-eos-4.36.1F"
OPERATION = "{urn:ietf:params:xml:ns:netconf:base:1.0}operation"
# Modules that only define types and identities come first: values may be of the latter.
MODULES = (
    "iana-if-type",
    "openconfig-network-instance-types",
    "openconfig-evpn-types",
    "openconfig-vlan-types",
    "openconfig-interfaces",
    "openconfig-if-ethernet",
    "openconfig-if-aggregate",
    "openconfig-vlan",
    "openconfig-network-instance",
    "openconfig-lldp",
    "arista-vlan-augments",
    "arista-vlan-deviations",
    "arista-netinst-augments",
    "arista-netinst-deviations",
    "arista-intf-augments",
    "arista-intf-deviations",
    "arista-lldp-augments",
)


class InvalidPayload(AssertionError):
    """The models do not allow a payload; the message shows it, and why."""


def missing_requirements() -> list[str]:
    """Return what this machine lacks to judge payloads, in words; an empty list means that it can."""
    lacks = [] if shutil.which("yanglint") else ["the program yanglint (Debian package libyang-tools)"]
    if not RELEASE.is_dir():
        lacks.append(f"the models of EOS in {RELEASE} (JACKFIELD_YANG)")
    return lacks


def check(payloads: Iterable[bytes | str]) -> None:
    """Judge payloads, each a ``<config>`` with what it holds, as it is sent.

    Raises:
        InvalidPayload: At least one is not valid.
    """
    configs = [etree.fromstring(payload) for payload in dict.fromkeys(payloads)]
    _judge([_without_operations(config) for config in configs], "edit")
    _judge([_outcome(config) for config in configs], "config")


def _judge(configs: list[etree._Element], kind: str) -> None:
    documents = [document for config in configs if (document := _document(config))]
    # One run for all: to read the models takes longer than to judge by them.
    if documents and _complaints(documents, kind):
        for document in documents:
            if complaints := _complaints([document], kind):
                raise InvalidPayload(f"{complaints}\n{document}")


def _complaints(documents: list[str], kind: str) -> str:
    modules = [str(RELEASE / f"{module}.yang") for module in MODULES]
    with TemporaryDirectory() as folder:
        files = [Path(folder, f"{number}.xml") for number in range(len(documents))]
        for file, document in zip(files, documents, strict=True):
            file.write_text(document)
        command = ["yanglint", "-Q", "-i", "-p", str(RELEASE), *modules, "-t", kind, *map(str, files)]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    return done.stdout + done.stderr if done.returncode else ""


def _without_operations(config: etree._Element) -> etree._Element:
    plain = copy.deepcopy(config)
    for element in plain.iter(etree.Element):
        element.attrib.pop(OPERATION, None)
    return plain


def _outcome(config: etree._Element) -> etree._Element:
    """Return what an edit leaves of itself."""
    left = copy.deepcopy(config)
    for element in list(left.iter(etree.Element)):
        if element.get(OPERATION) in ("delete", "remove"):
            element.getparent().remove(element)
    return _without_operations(left)


def _document(config: etree._Element) -> str:
    return "\n".join(etree.tostring(child, encoding="unicode", with_tail=False) for child in config)
