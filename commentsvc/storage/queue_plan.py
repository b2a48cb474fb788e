"""Build the statements that find comments in the order of their ids, so that they stop when a page is full.

A condition with few values, such as a status or a site, becomes one *branch* for each value: a branch is read in the
order of an index, and the branches are merged. One statement for several values would read and sort all of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from commentsvc.domain.models import Status
from commentsvc.domain.search_tokens import Term
from commentsvc.storage import contacts
from commentsvc.storage.comment_filter import conditions, id_range
from commentsvc.storage.database import in_list, site_condition
from commentsvc.storage.dialect import MATCHING
from commentsvc.storage.search import SEARCH_TABLE
from commentsvc.storage.word_search import MAX_BRANCHES, contain, match, merge_branches, split_terms, without_index


@dataclass(frozen=True)
class Search:
    """A comment filter whose names are resolved: a site or thread to its ids, an email to its digests.

    ``values`` holds the values of the filters that have an ``Sql`` (``comment_filter.conditions``).
    """

    status: Status | None = None
    sites: tuple[str, ...] | None = None
    thread_id: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def terms(self) -> list[Term] | None:
        """The terms that texts and reasons must have; None if no filter asks for words."""
        asked = [sql.terms(self.values[name]) for name, sql in conditions() if sql.terms and name in self.values]
        if not all(asked):
            return []  # a text without letters, which is in no comment
        return [term for terms in asked for term in terms] or None

    @property
    def has_contact(self) -> bool:
        """Tell whether it searches by private data."""
        return any(sql.table == contacts.TABLE for name, sql in conditions() if name in self.values)


@dataclass(frozen=True)
class Plan:
    """Builds the statements of a search for comments: see ``WordPlan``."""

    search: Search
    newest_first: bool

    @property
    def order(self) -> str:
        """The order of a page."""
        return "DESC" if self.newest_first else "ASC"

    def page(self, after: str | None) -> tuple[str, dict[str, Any]]:
        """Return the statement for the first ``:limit`` matching ids after an id, without searching for words."""
        values: dict[str, Any] = {}
        statements = [self._branch(*branch, after, values) for branch in self._branches()]
        return merge_branches(statements, self.order), values

    def matching(self, terms: Sequence[Term], after: str | None) -> tuple[str, dict[str, Any]]:
        """Return the statement for the first ``:limit`` ids after an id that have all terms, by the index.

        A word may be in 30,000 comments, so nothing is looked up for them that the index knows: status and sites.
        """
        status, sites = self.search.status, None if self.search.thread_id else self.search.sites
        asked, left_out = split_terms(terms)
        values: dict[str, Any] = {"match": match(asked, status, sites)}
        rows, ids = self._conditions("matching.id", after, values)
        tables = ["matching", *(["comment"] if rows or self._has_many_sites else [])]
        clauses = [*ids, *(["comment.id = matching.id", *rows] if "comment" in tables else [])]
        if self.search.has_contact:
            tables.append(contacts.TABLE)
            clauses.append(f"{contacts.TABLE}.comment_id = matching.id")
        if self._has_many_sites:
            on_sites, more = site_condition("comment.site_id", sites)
            clauses, values = [*clauses, on_sites], values | more
        if left_out:
            has_terms, more = contain(SEARCH_TABLE, left_out)
            tables.append(SEARCH_TABLE)
            clauses += [f"{SEARCH_TABLE}.comment_id = matching.id", has_terms]
            values |= more
        statement = f"""
            WITH matching AS MATERIALIZED ({MATCHING[SEARCH_TABLE]})
            SELECT matching.id FROM {" CROSS JOIN ".join(tables)} WHERE {" AND ".join(clauses) or "1 = 1"}
            ORDER BY matching.id {self.order} LIMIT CAST(:limit AS BIGINT)
        """
        return statement, values

    @property
    def _has_many_sites(self) -> bool:
        """Return whether there are more sites than branches and the index are asked for."""
        return len(self.search.sites or ()) > MAX_BRANCHES and not self.search.thread_id

    def _branches(self) -> list[tuple[Status | None, str | None]]:
        """Return the status and site of each branch; None where every value counts or a condition checks it."""
        asked = self.search
        statuses: list[Status | None] = [asked.status] if asked.status else list(Status)
        if asked.has_contact:
            return [(status, None) for status in statuses]
        if asked.thread_id or asked.values.get("reported"):
            return [(None, None)]
        if asked.values.get("same_text"):
            return [(status, None) for status in statuses]
        if asked.sites is None:
            return [(asked.status, None)]
        branches: list[tuple[Status | None, str | None]] = list(product(statuses, asked.sites))
        return branches if 0 < len(branches) <= MAX_BRANCHES else [(asked.status, None)]

    def _branch(self, status: Status | None, site: str | None, after: str | None, values: dict[str, Any]) -> str:
        tables = [contacts.TABLE, "comment"] if self.search.has_contact else ["comment"]
        first = tables[0]
        key = "comment.id" if first == "comment" else f"{first}.comment_id"
        clauses = [f"{table}.comment_id = comment.id" for table in tables if table != "comment"]
        if status:
            clauses.append(f"{first}.status = :in_{status.value}")
            values[f"in_{status.value}"] = status.value
        elif self.search.status:
            clauses.append(without_index("comment.status = :status"))
            values["status"] = self.search.status.value
        clauses += self._on_sites(first, site, values)
        rows, ids = self._conditions(key, after, values)
        if self.search.status in {None, Status.TRASH}:
            clauses.append("comment.erased_at IS NULL")  # these have neither contact nor search text
        clauses += rows + ids
        return f"""
            SELECT {key} AS id FROM {" CROSS JOIN ".join(tables)} WHERE {" AND ".join(clauses)}
            ORDER BY {key} {self.order} LIMIT CAST(:limit AS BIGINT)
        """

    def _on_sites(self, first: str, site: str | None, values: dict[str, Any]) -> list[str]:
        """Return the condition on sites. A thread's site was checked when its name was resolved."""
        if site:
            name = f"site_{(self.search.sites or ()).index(site)}"
            values[name] = site
            return [f"{first}.site_id = :{name}"]
        condition, more = site_condition(f"{first}.site_id", None if self.search.thread_id else self.search.sites)
        values |= more
        return [without_index(condition)] if more else []

    def _conditions(self, key: str, after: str | None, values: dict[str, Any]) -> tuple[list[str], list[str]]:
        """Return the conditions of filters on rows, and those on ids: the cursor, and times as ranges of ids."""
        rows, ids = [], []
        if self.search.thread_id:
            rows.append("comment.thread_id = :thread_id")
            values["thread_id"] = self.search.thread_id
        for name, sql in conditions():
            if name not in self.search.values or sql.terms:
                continue
            value = sql.prepare(self.search.values[name])
            if value is False and sql.when_false:
                rows.append(sql.when_false)
            elif isinstance(value, tuple):
                listed, found = in_list(name, value)
                rows.append(sql.condition.replace(":value", listed))
                values |= found
            else:
                rows.append(sql.condition.replace(":value", f":{name}"))
                values |= {name: value} if ":value" in sql.condition else {}
            if sql.time:
                ids.append(f"{key} {sql.time} :{name}_id")
                values[f"{name}_id"] = id_range(sql.time, value)
        if after:
            ids.append(f"{key} {'<' if self.newest_first else '>'} :after")
            values["after"] = after
        return rows, ids
