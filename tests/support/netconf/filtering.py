"""Choose a part of a tree as a subtree filter says (RFC 6241, section 6)."""

import copy

from lxml import etree

from support.netconf.editing import KEYS, local_name


def chosen(tree: etree._Element, filter: etree._Element | None) -> list[etree._Element]:
    """Return copies of the parts of *tree*, which stands below ``data``, that *filter* selects; all without one."""
    if filter is None:
        return [copy.deepcopy(child) for child in tree]
    found = []
    for child in tree:
        parts = [part for wish in filter if (part := _select(child, wish)) is not None]
        found += parts[:1] if len(parts) < 2 else [_united(parts)]
    return found


def _select(element: etree._Element, wish: etree._Element) -> etree._Element | None:
    if not _is_named(element, wish):
        return None
    wishes = [child for child in wish if isinstance(child.tag, str)]
    if not wishes:
        return copy.deepcopy(element)
    matches = [child for child in wishes if not len(child) and (child.text or "").strip()]
    if not all(_has(element, match) for match in matches):
        return None
    if len(matches) == len(wishes):
        return copy.deepcopy(element)
    selected = [part for child in element for part in _selected(child, wishes)]
    if len(selected) <= len(matches):
        return None
    # An entry of a list says which it is, asked or not.
    key = next((child for child in element if etree.QName(child).localname == KEYS.get(local_name(element))), None)
    if key is not None and key.tag not in {part.tag for part in selected}:
        selected.insert(0, copy.deepcopy(key))
    part = etree.Element(element.tag, nsmap=element.nsmap)
    part.extend(selected)
    return part


def _selected(child: etree._Element, wishes: list[etree._Element]) -> list[etree._Element]:
    parts = [part for wish in wishes if (part := _select(child, wish)) is not None]
    return parts[:1] if len(parts) < 2 else [_united(parts)]


def _has(element: etree._Element, match: etree._Element) -> bool:
    text = (match.text or "").strip()
    return any(_is_named(child, match) and (child.text or "").strip() == text for child in element)


def _is_named(element: etree._Element, wish: etree._Element) -> bool:
    namespace = etree.QName(wish).namespace
    name = etree.QName(element)
    return name.localname == etree.QName(wish).localname and namespace in (None, name.namespace)


def _united(parts: list[etree._Element]) -> etree._Element:
    """Return the first part with what only the others have."""
    first, *others = parts
    have = {etree.tostring(child) for child in first}
    for other in others:
        first.extend(child for child in list(other) if etree.tostring(child) not in have)
    return first
