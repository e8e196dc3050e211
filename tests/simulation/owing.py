"""What sessions expect of their participants, by a second reckoning: who owes what since when (GOV-1)."""

from __future__ import annotations

from collections.abc import Container, Iterator

from events.event import Event
from events.governance import ExpectationViolated
from tests.simulation.found import must
from tests.simulation.kinds import in_a_temper
from tests.simulation.model import Model
from tests.simulation.standing import Since, Talk

SECOND_US = 1_000_000


def owing(talk: Talk, expectation: str) -> dict[str, Since]:
    """Who owes something in a session now (``""``: the session as a whole), and since when."""
    if expectation == "grumpy":
        return {talk.creator_id: Since(0, talk.created_us)}
    if expectation == "acks_within":
        return dict.fromkeys(talk.pending, Since(0, talk.created_us)) if talk.state == "pending" else {}
    if talk.state != "active":
        return {}
    if expectation == "max_silence":
        return {"": talk.spoken}
    if expectation == "reply_within":
        return dict(talk.owed)
    speaker = talk.due_to_speak()
    return {} if speaker is None else {speaker: talk.turn}


def limit_us(expectation: dict[str, object]) -> int:
    """In how much time it has to be done."""
    params = expectation["params"]
    assert hasattr(params, "get")
    return int(params.get("seconds", 0)) * SECOND_US


def violated(model: Model, event: Event, talk: Talk | None) -> None:
    """Judge a violation: there was reason for it, and it was not recorded before (GOV-3)."""
    assert talk is not None
    body: ExpectationViolated = event.body
    expectation = talk.expectations[body.ordinal]
    must(expectation["name"] == body.expectation, "a violation names its expectation", event.position)
    look, people = (talk.session_id, event.at_us), body.violators or ("",)
    if model.looked is None or model.looked[0] != look or not model.looked[1][body.expectation].keys() >= set(people):
        model.looked = look, {each["name"]: owing(talk, each["name"]) for each in talk.expectations}
    owed = model.looked[1][body.expectation]
    for who in people:
        must(who in owed, "who violates owes something", f"{body.expectation} at {event.position}")
        since = owed[who]
        late = event.at_us - since.at_us >= limit_us(expectation)
        must(late, "a violation comes when time is up", f"{body.expectation} at {event.position}")
        fired = talk.fired.get((body.ordinal, who))
        must(fired != since, "a violation comes once per arming", f"{body.expectation} at {event.position}")
        talk.fired[body.ordinal, who] = since
    told = body.on_violation in ("warn", "notify_session")
    must(bool(body.sequence) == told, "a warning is an envelope, and nothing else is", event.position)
    if body.on_violation == "auto_close":
        model.owe("close", talk.session_id)
    if body.on_violation == "hide":
        for who in [one for one in body.violators if one not in talk.hidden][-1:]:
            model.owe("hide", who)


def missed(model: Model, now_us: int, begun: int, asleep: Container[str]) -> Iterator[str]:
    """Say which violations a look at all sessions should have found, that began before the position ``begun``.

    A session whose type is not loaded knows of no turn, and an evaluator in a temper finds nothing.
    """
    for talk in [talk for talk in model.live() if talk.moved <= begun and talk.kind not in asleep]:
        for ordinal, expectation in enumerate(talk.expectations):
            if expectation["name"] == "grumpy" and in_a_temper(now_us):
                continue
            for who, since in owing(talk, expectation["name"]).items():
                late = now_us - since.at_us >= limit_us(expectation)
                if late and talk.fired.get((ordinal, who)) != since:
                    yield f"{expectation['name']} of session {talk.session_id} since #{since.sequence}"


def overdue(model: Model, now_us: int) -> Iterator[str]:
    """Say what should have ended by now."""
    for talk in model.live():
        due_us = [talk.expires_us] if talk.expires_us is not None else []
        due_us += [talk.invite_due_us] if talk.state == "pending" else []
        if due_us and min(due_us) <= now_us:
            yield f"session {talk.session_id}"
    for task_id, work in model.works.items():
        if work.expires_us is not None and work.expires_us <= now_us:
            yield f"task {task_id}"


def deadlines(model: Model) -> list[int]:
    """Every moment, in microseconds, at which something falls due."""
    found: list[int] = []
    for talk in model.live():
        found += [talk.invite_due_us] if talk.state == "pending" else []
        found += [talk.expires_us] if talk.expires_us is not None else []
        for ordinal, expectation in enumerate(talk.expectations):
            for who, since in owing(talk, expectation["name"]).items():
                if talk.fired.get((ordinal, who)) != since:
                    found.append(since.at_us + limit_us(expectation))
    found += [work.expires_us for work in model.works.values() if work.expires_us is not None]
    found += [sent_us + 60 * SECOND_US for person in model.people.values() for sent_us in person.sent_us[-3:]]
    return sorted(set(found))
