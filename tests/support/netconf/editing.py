"""Change a configuration as ``<edit-config>`` says (RFC 6241, section 7.2), and look at the result.

A configuration is a tree below an element ``data``. Which elements are entries of a list, and what
tells them apart, is in the models; here it is a table of the few lists that switches have.
"""

import copy
import re

from lxml import etree

from support.netconf.refusals import Refused, RpcError

BASE = "urn:ietf:params:xml:ns:netconf:base:1.0"
OPERATION = f"{{{BASE}}}operation"
KEYS = {
    "interface": "name",
    "neighbor": "id",
    "network-instance": "name",
    "vlan": "vlan-id",
    "evpn-instance": "evi",
    "connection-point": "connection-point-id",
    "endpoint": "endpoint-id",
    "local-endpoint-vni": "vni",
    "vlan-to-vni": "vlan",
}
LEAF_LISTS = {"trunk-vlans", "trunk-groups", "import-route-target", "export-route-target"}
ROOTS = {
    "{http://openconfig.net/yang/interfaces}interfaces",
    "{http://openconfig.net/yang/network-instance}network-instances",
    "{http://openconfig.net/yang/lldp}lldp",
}
ONLY_WITH = {"access-vlan": "ACCESS", "native-vlan": "TRUNK", "trunk-vlans": "TRUNK"}
"""Leaves that an interface has in one mode alone."""
VLAN_IDS = range(1, 4095)


def edited(tree: etree._Element, edit: etree._Element, default_operation: str) -> etree._Element:
    """Return *tree* with *edit*, a ``<config>``, applied.

    Raises:
        Refused: It cannot be, or makes no sense; nothing is applied then.
    """
    result = copy.deepcopy(tree)
    for child in _elements(edit):
        if child.tag not in ROOTS:
            raise Refused(RpcError("unknown-namespace", f"nobody here knows {child.tag}", path_of(child)))
    _apply(result, edit, default_operation)
    check(result)
    _drop_what_does_not_fit_the_mode(result)
    return result


def local_name(element: etree._Element) -> str:
    """Return the name of an element without its namespace."""
    return str(etree.QName(element).localname)


def path_of(element: etree._Element) -> str:
    """Return the path of an element with the keys of lists, as an error names it."""
    steps = []
    for step in [*reversed(list(element.iterancestors())), element]:
        name = local_name(step)
        if name in ("config", "data") and step.getparent() is None:
            continue
        key = key_of(step)
        steps.append(f"{name}[{KEYS[name]}='{key}']" if key else name)
    return "/" + "/".join(steps)


def key_of(element: etree._Element) -> str | None:
    """Return what tells an entry of a list from others; None if it is none."""
    if local_name(element) in LEAF_LISTS:
        return None
    name = KEYS.get(local_name(element))
    found = None if name is None else element.find(f"{{{etree.QName(element).namespace}}}{name}")
    return None if found is None else (found.text or "").strip()


def _apply(target: etree._Element, edit: etree._Element, inherited: str) -> None:
    for child in _elements(edit):
        operation = child.get(OPERATION, inherited)
        present = _counterpart(target, child)
        if operation in ("delete", "remove"):
            _remove(present, child, must_exist=operation == "delete")
        elif operation == "create" and present is not None:
            raise Refused(RpcError("data-exists", "it is there already", path_of(child)))
        elif operation == "replace" and present is not None:
            target.replace(present, _plain(child))
        elif operation in ("create", "replace"):
            target.append(_plain(child))
        else:
            _merge(target, present, child, operation)


def _merge(target: etree._Element, present: etree._Element | None, child: etree._Element, operation: str) -> None:
    if present is None:
        if operation == "none":
            raise Refused(RpcError("data-missing", "it is not there", path_of(child)))
        present = etree.SubElement(target, child.tag, nsmap=child.nsmap)
    if len(child):
        _apply(present, child, operation)
    elif local_name(child) not in KEYS or (child.text or "").strip():
        # The name of a list may be that of a leaf elsewhere (vlan).
        # A value may have a prefix (an identity), which is that of the edit.
        _replace_text(present, child)
    if len(child) and not len(present) and present.getparent() is not None:
        _prune(present)


def _replace_text(present: etree._Element, child: etree._Element) -> None:
    parent = present.getparent()
    assert parent is not None
    if (present.text or "").strip() != (child.text or "").strip():
        parent.replace(present, _plain(child))


def _remove(present: etree._Element | None, child: etree._Element, *, must_exist: bool) -> None:
    if present is not None:
        _prune(present)
    elif must_exist:
        raise Refused(RpcError("data-missing", "it is not there", path_of(child)))


def _prune(element: etree._Element) -> None:
    """Remove an element, and the containers around it that hold nothing else."""
    parent = element.getparent()
    assert parent is not None
    parent.remove(element)
    if not len(parent) and parent.getparent() is not None:
        _prune(parent)


def _counterpart(target: etree._Element, child: etree._Element) -> etree._Element | None:
    same = [one for one in target if one.tag == child.tag]
    if local_name(child) in LEAF_LISTS:
        same = [one for one in same if (one.text or "").strip() == (child.text or "").strip()]
    elif local_name(child) in KEYS and len(child):
        key = key_of(child)
        if key is None:
            raise Refused(RpcError("missing-element", f"no {KEYS[local_name(child)]}", path_of(child)))
        same = [one for one in same if key_of(one) == key]
    return same[0] if same else None


def _plain(element: etree._Element) -> etree._Element:
    """Return a copy without operations, and without what is to be removed."""
    plain = copy.deepcopy(element)
    for one in list(plain.iter()):
        if one.attrib.pop(OPERATION, None) in ("delete", "remove") and one is not plain:
            one.getparent().remove(one)
    return plain


def check(tree: etree._Element) -> None:
    """Look for values that the models do not allow.

    Raises:
        Refused: There is one.
    """
    for element in tree.iter(etree.Element):
        name, text = local_name(element), (element.text or "").strip()
        if name in ("vlan-id", "access-vlan", "native-vlan") and not _is_vlan(text):
            raise Refused(RpcError("invalid-value", f'"{text}" is no VLAN', path_of(element)))
        if name == "trunk-vlans" and not all(map(_is_vlan, re.split(r"\.\.", text, maxsplit=1))):
            raise Refused(RpcError("invalid-value", f'"{text}" is neither VLAN nor range', path_of(element)))
        if name == "interface-mode" and text not in ("ACCESS", "TRUNK"):
            raise Refused(RpcError("invalid-value", f'"{text}" is no mode', path_of(element)))


def _is_vlan(text: str) -> bool:
    return text.isdigit() and int(text) in VLAN_IDS


def _drop_what_does_not_fit_the_mode(tree: etree._Element) -> None:
    for mode in tree.iter("{http://openconfig.net/yang/vlan}interface-mode"):
        parent = mode.getparent()
        assert parent is not None
        for leaf in list(parent):
            if ONLY_WITH.get(local_name(leaf), mode.text) != mode.text:
                parent.remove(leaf)


def _elements(parent: etree._Element) -> list[etree._Element]:
    return [child for child in parent if isinstance(child.tag, str)]
