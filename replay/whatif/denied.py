"""Refusals on record, asked again as far as the log lets them be (GOV-6).

A record says who was refused what, with which error and sentence; not what the refused envelope said, nor what type a
refused session was to have. A probe is made of what there is. It stands for the refused command if, decided on the
recorded state just before the record, it is refused with the recorded error and sentence, numbers in it aside.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from events.errors import NetworkError
from events.event import Event
from events.governance import AccessDenied
from events.values import Envelope, TaskSpec
from events.values.identity import AGENT_ID
from hub.catalogue import Catalogue
from hub.decisions.opening import CreateSession
from hub.decisions.posting import Post
from hub.decisions.tasks import ObserveTask
from projections.state import HubState

Ask = Callable[[Any], NetworkError | None]
"""Decides a command and returns its refusal, or None."""
INVITE_US = 30_000_000
_DEPTH = re.compile(r"delegation depth (\d+)")
_NUMBER = re.compile(r"\d+(\.\d+)?")


def probe(event: Event, state: HubState, catalogue: Catalogue, ask: Ask) -> Any | None:
    """Return a command that stands for the refused one, or None; O(session types).

    Args:
        event: an ``access.denied``.
        state: as recorded, just before it.
        catalogue: the session types to try.
        ask: decides on that state.
    """
    body: AccessDenied = event.body
    for command in _guesses(body, state, catalogue):
        error = ask(command)
        if error is not None and error.code == body.error and _same_sentence(error.message, body.message):
            return command
    return None


def _same_sentence(one: str, other: str) -> bool:
    return _NUMBER.sub("#", one) == _NUMBER.sub("#", other)


def _guesses(body: AccessDenied, state: HubState, catalogue: Catalogue) -> Iterator[Any]:
    match = _DEPTH.search(body.message)
    depth = int(match[1]) if match else 0
    if body.action == "post" and body.session_id is not None:
        listed = [body.target] if AGENT_ID.fullmatch(body.target) and body.target != body.session_id else None
        for audience in (listed, None):
            yield Post(Envelope(body.session_id, body.subject, audience, event_data={"text": "?"}, depth=depth))
    elif body.action == "open":
        people = tuple(state.registry.resolve(who) or who for who in body.target.split(","))
        for session_type in dict.fromkeys(name for name, _ in catalogue.adapters):
            yield CreateSession(session_type, body.subject, people, INVITE_US, depth=depth)
    elif body.action == "task" and body.session_id is not None:
        yield ObserveTask(body.session_id, body.subject, TaskSpec(title="?"), "probe")
