"""The session types that a changed world opens sessions with: as the log's own sessions had them, and then changed.

A log may have been made under other settings of a type than today's code has: what it expects of people, how long it
lives. They stand in each ``session.created``, and only the type's rules of conduct are taken from today's code.
"""

from __future__ import annotations

import copy
from functools import lru_cache

from events.codec import canonical
from events.sessions import SessionCreated
from events.values import SessionManifest
from events.values.frozen import thaw
from hub.catalogue import Catalogue
from replay.whatif.plan import Plan

KEPT = 64
"""Variants of manifests that are kept at hand."""


class Types:
    """Gives the catalogue for a session that is opened again.

    Args:
        catalogue: the changed session types.
        plan: what is changed of manifests.
        given: types that are taken as they are in the catalogue, whatever the log says.
    """

    def __init__(self, catalogue: Catalogue, plan: Plan, given: frozenset[str] = frozenset()) -> None:
        self._catalogue, self._plan, self._given = catalogue, plan, given
        self._made = lru_cache(KEPT)(self._make)

    def of(self, created: SessionCreated) -> Catalogue:
        """Return what a session is to be opened with; O(size of its manifest)."""
        if created.manifest["type"] in self._given:
            return self._catalogue
        return self._made(canonical(thaw(created.manifest)), SessionManifest.from_dict(thaw(created.manifest)))

    def _make(self, key: bytes, logged: SessionManifest) -> Catalogue:
        adapter = self._catalogue.adapter(logged.type, logged.version)
        manifest = self._plan.manifest(logged)
        newest = self._catalogue.newest(logged.type)
        if adapter is None or (adapter is newest and adapter.manifest == manifest):
            return self._catalogue
        adapter = copy.copy(adapter)
        adapter.manifest = manifest
        made = Catalogue()
        made.evaluators, made.handlers = self._catalogue.evaluators, self._catalogue.handlers
        made.adapters = {key: each for key, each in self._catalogue.adapters.items() if key[0] != logged.type}
        made.adapters[logged.type, logged.version] = adapter
        return made
