"""What a client may ask of a list, and how the page that it gets is linked to others.

``name=a&name=b`` matches either, ``sort_key`` and ``sort_dir`` come in pairs,
``fields`` narrows what is shown, and ``limit`` with ``marker`` (the id of the
last resource that the client has seen) makes pages. Everything else has to be
the name of a filter; a list that ignored one would show too much.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

import sqlalchemy as sa

from jackfield_core.api.faults import bad_request
from jackfield_core.api.message import Request
from jackfield_core.context import RequestContext
from jackfield_core.db.query import ListQuery
from jackfield_core.errors import Invalid

Condition = Callable[[Sequence[str]], sa.ColumnElement[bool]]
"""Turns the values of a filter into SQL."""

Pairs = Sequence[tuple[str, str]]
Link = dict[str, str]

_CONTROLS = frozenset({"fields", "sort_key", "sort_dir", "limit", "marker", "page_reverse"})
_TRUE = frozenset({"1", "t", "true", "on", "y", "yes"})
_LARGEST_PAGE = (1 << 31) - 1
_ALIASES = {"tenant_id": "project_id"}


@dataclass(frozen=True, slots=True)
class Page:
    """One page that a client asks for; *fields* empty means all."""

    query: ListQuery
    fields: Sequence[str] = ()
    pairs: Pairs = ()

    def links(self, request: Request, ids: Sequence[str]) -> Sequence[Link]:
        """Return the links to the next and previous page of a page with *ids*, as Neutron makes them."""
        limit, page_reverse = self.query.limit, self.query.page_reverse
        if limit is None:
            return ()
        is_last = len(ids) < limit
        links = []
        if page_reverse or not is_last:
            links.append(self._link(request, "next", ids[-1:], []))
        if not page_reverse or not is_last:
            links.append(self._link(request, "previous", ids[:1], [("page_reverse", "True")]))
        return links

    def _link(self, request: Request, rel: str, marker: Sequence[str], more: list[tuple[str, str]]) -> Link:
        kept = [(name, value) for name, value in self.pairs if name not in ("marker", "page_reverse")]
        asked = [*kept, *(("marker", id) for id in marker), *more]
        return {"rel": rel, "href": f"{request.root_url}{request.route}?{urlencode(asked)}"}


class Listing:
    """The filters and sort keys of one resource.

    Args:
        columns: Filters that are a comparison with a column, and sort keys.
        conditions: Filters that are something else; they win over columns.
        page_limit: Largest page, 0 for any.
        elsewhere: Filters that the caller reads from :attr:`Page.pairs` itself.
        hidden: Filters and sort keys that do not exist for users: they would tell what is not shown to them.
    """

    def __init__(
        self,
        columns: Mapping[str, sa.ColumnElement[Any]],
        conditions: Mapping[str, Condition],
        page_limit: int,
        elsewhere: Collection[str] = (),
        hidden: Collection[str] = (),
    ) -> None:
        self._ignored = _CONTROLS.union(elsewhere)
        self._columns = columns
        self._conditions = conditions
        self._page_limit = page_limit
        self._hidden = hidden
        self._everything = Page(ListQuery(limit=page_limit or None))

    def page(self, query_string: bytes, ctx: RequestContext) -> Page:
        """Read what follows the question mark.

        Raises:
            Invalid: A filter or sort key is unknown to the caller, or a value is wrong.
        """
        if not query_string:
            return self._everything
        pairs = read_pairs(query_string)
        if not ctx.sees_hosts:
            self._check_shown(pairs)
        limit = self._limit(pairs)
        filters, conditions = self._filters(pairs)
        query = ListQuery(
            filters=filters,
            conditions=conditions,
            sorts=self._sorts(pairs),
            limit=limit,
            marker=_last(pairs, "marker") or None if limit else None,
            page_reverse=(_last(pairs, "page_reverse") or "").strip().lower() in _TRUE,
        )
        return Page(query, read_fields(pairs), pairs)

    def _check_shown(self, pairs: Pairs) -> None:
        """Refuse hidden names in the words for those that do not exist."""
        if names := [name for name, _ in pairs if name in self._hidden]:
            raise _no_filters(names)
        if keys := [value for name, value in pairs if name == "sort_key" and value in self._hidden]:
            raise _no_sort_keys(keys)

    def _limit(self, pairs: Pairs) -> int | None:
        text = _last(pairs, "limit") or "0"
        try:
            limit = int(text)
        except ValueError:
            limit = -1
        if limit < 0:
            raise Invalid(
                f"Bad limit request: Limit must be an integer 0 or greater and not '{text}'.", type="BadRequest"
            )
        if self._page_limit:
            return min(limit, self._page_limit) or self._page_limit
        return min(limit, _LARGEST_PAGE) or None

    def _filters(self, pairs: Pairs) -> tuple[dict[str, list[str]], list[sa.ColumnElement[bool]]]:
        values: dict[str, list[str]] = {}
        for name, value in dict.fromkeys(pairs):
            if name not in self._ignored:
                values.setdefault(_ALIASES.get(name, name), []).append(value)
        unknown = [name for name in values if name not in self._conditions and name not in self._columns]
        if unknown:
            raise _no_filters(unknown)
        conditions = [self._conditions[name](found) for name, found in values.items() if name in self._conditions]
        return {name: found for name, found in values.items() if name not in self._conditions}, conditions

    def _sorts(self, pairs: Pairs) -> Sequence[tuple[str, bool]]:
        keys = [value for name, value in pairs if name == "sort_key" and value]
        directions = [value for name, value in pairs if name == "sort_dir" and value]
        if len(keys) != len(directions):
            raise bad_request("The number of sort_keys and sort_dirs must be same")
        keys = [_ALIASES.get(key, key) for key in keys]
        if unknown := [key for key in keys if key not in self._columns]:
            raise _no_sort_keys(unknown)
        if strange := [one for one in directions if one not in ("asc", "desc")]:
            raise bad_request(f"{strange} is invalid value for sort_dirs, valid value is 'asc' and 'desc'")
        sorts: dict[str, bool] = {}
        for key, direction in zip(keys, directions, strict=True):
            sorts.setdefault(key, direction == "desc")  # what is equal by a key is not ordered by it again
        return tuple(sorts.items())


def read_pairs(query_string: bytes) -> list[tuple[str, str]]:
    """Return the names and values of a query string, in order."""
    pairs = parse_qsl(query_string.decode("utf-8", "replace"), keep_blank_values=True)
    if b"%00" in query_string or b"\0" in query_string:
        # No text in a database holds a NUL, and PostgreSQL does not even compare with one.
        return [(name.replace("\0", "\ufffd"), value.replace("\0", "\ufffd")) for name, value in pairs]
    return pairs


def read_fields(pairs: Pairs) -> Sequence[str]:
    """Return the attributes that the client wants to see; none means all."""
    return tuple(value for name, value in pairs if name == "fields" and value)


def _no_filters(names: Sequence[str]) -> Invalid:
    return bad_request(f"{[*dict.fromkeys(names)]} is invalid attribute for filtering")


def _no_sort_keys(names: Sequence[str]) -> Invalid:
    return bad_request(f"{[*names]} is invalid attribute for sort_keys")


def _last(pairs: Pairs, wanted: str) -> str | None:
    return next((value for name, value in reversed(pairs) if name == wanted), None)
