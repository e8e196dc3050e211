"""What is odd in sessions: envelopes without an answer, loops, sessions that only time ended."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from events.event import Event
from events.log import tagged
from events.sessions import EnvelopePosted, SessionClosed, SessionExpired
from events.values.envelope import is_protocol_event
from projections.sessions import SessionRecord, Since
from projections.state import HubState
from replay.lint.oddities import Check, Oddity
from replay.render.text import duration, printable, quoted, shortened

QUOTED_WIDTH = 40
TEXTS_MAX = 64
"""So many different texts of a session are remembered, the latest."""
SHARE = 4
"""What is repeated is a loop when it is at least one in so many of what was said since it was said first."""
CHAINS_MAX = 65_536
"""So many envelopes are remembered as links of chains, the latest."""
_DIGITS, _BETWEEN = re.compile(r"\d+"), re.compile(r"[\W_]+")


def _said(event: Event) -> str:
    data = {**event.body.data, **event.body.rest}
    text = data.get("text", data.get("body"))
    return text if isinstance(text, str) else ""


def gist(text: str) -> str:
    """Return what of a text is compared: its words, without case, punctuation and which numbers they are."""
    return _BETWEEN.sub(" ", _DIGITS.sub("0", text.casefold())).strip()


class Unanswered(Check):
    """Envelopes to somebody by name when their session ended, and what a live session waits for too long.

    Who owes an answer is what the hub itself knows (GOV-1). Cost: O(log² n) for each envelope that is found.
    """

    def before(self, event: Event, state: HubState) -> Iterator[Oddity]:
        """Look who owed an answer when a session ended."""
        if not isinstance(event.body, SessionClosed | SessionExpired):
            return
        record = state.sessions.live.get(event.body.session_id)
        if record is None:
            return
        for agent_id, since in record.owed.items():
            envelope = self._envelope(record, since)
            if envelope is not None and envelope.body.audience is not None:
                how = f"its session ended @{event.position}, {event.body.reason}"
                yield self._finding(envelope, agent_id, how, (envelope.position, event.position))

    def end(self, state: HubState) -> Iterator[Oddity]:
        """Look who owes an answer for too long."""
        for record in state.sessions.live.values():
            for agent_id, since in record.owed.items():
                waited_us = state.at_us - since.at_us
                envelope = self._envelope(record, since)
                if envelope is not None and waited_us >= self.limits.unanswered_s * 1_000_000:
                    how = f"the session has waited for {duration(waited_us)}"
                    yield self._finding(envelope, agent_id, how, (envelope.position,))

    def _envelope(self, record: SessionRecord, since: Since) -> Event | None:
        query, log = tagged(f"session:{record.session_id}"), self.history.log
        position = log.bisect(query, lambda event: getattr(event.body, "sequence", None) or None, since.sequence)
        event = None if position is None else log.get(position)
        return event if event is not None and isinstance(event.body, EnvelopePosted) else None

    def _finding(self, envelope: Event, agent_id: str, how: str, positions: tuple[int, ...]) -> Oddity:
        sender, other = self.names.agent(envelope.body.sender_id), self.names.agent(agent_id)
        text = quoted(shortened(printable(_said(envelope)), QUOTED_WIDTH))
        where = self.names.session(envelope.body.session_id)
        sentence = f"{where}: {other} never answered {sender}'s {text} of @{envelope.position}; {how}"
        return Oddity("unanswered", printable(sentence), positions, f"replay story @{envelope.position}")


@dataclass(slots=True)
class _Gist:
    """How often nearly the same was said in a session, by whom, and where; ``began`` counts its envelopes."""

    began: int
    count: int = 0
    first: int = 0
    last: int = 0
    senders: set[str] = field(default_factory=set)
    text: str = ""


@dataclass(slots=True)
class _Talk:
    """What is remembered of a live session."""

    speaker: str = ""
    said: int = 0
    gists: OrderedDict[str, _Gist] = field(default_factory=OrderedDict)
    repeated: _Gist | None = None
    chain: int = 0
    chain_first: int = 0
    chain_last: int = 0


class _Link:
    """An envelope as the end of a chain of answers between two: how long it is and where it began."""

    __slots__ = ("began", "length", "pair", "sender")

    def __init__(self, sender: str, pair: frozenset[str], length: int, began: int) -> None:
        self.sender, self.pair, self.length, self.began = sender, pair, length, began


class Loops(Check):
    """Two who answer each other: with nearly the same words again and again, or in a long chain of causes.

    Nearly the same are texts that differ in case, punctuation and numbers only. A text counts when somebody else spoke
    in between; who is polite now and then is in no loop, see ``SHARE``. Memory: O(live sessions), and the last
    ``CHAINS_MAX`` envelopes.
    """

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self._talks: dict[str, _Talk] = {}
        self._links: OrderedDict[str, _Link] = OrderedDict()

    def after(self, event: Event, state: HubState) -> Iterable[Oddity]:
        """Follow what is said; tell of a session when it ends."""
        body = event.body
        if isinstance(body, SessionClosed | SessionExpired):
            talk = self._talks.pop(body.session_id, None)
            return () if talk is None else self._told(body.session_id, talk)
        if isinstance(body, EnvelopePosted) and not is_protocol_event(body.event_type):
            talk = self._talks.setdefault(body.session_id, _Talk())
            self._heard(event, talk)
            self._chained(event, talk)
        return ()

    def end(self, state: HubState) -> Iterator[Oddity]:
        """Tell of the sessions that still live."""
        for session_id, talk in self._talks.items():
            yield from self._told(session_id, talk)

    def _heard(self, event: Event, talk: _Talk) -> None:
        sender, text = event.body.sender_id, _said(event)
        talk.said += 1
        answered, talk.speaker = talk.speaker not in ("", sender), sender
        key = gist(text)
        if not key or not (answered or key not in talk.gists):
            return
        same = talk.gists.pop(key, None) or _Gist(talk.said, first=event.position, text=text)
        same.count, same.last = same.count + 1, event.position
        same.senders.add(sender)
        talk.gists[key] = same
        if len(talk.gists) > TEXTS_MAX:
            talk.gists.popitem(last=False)
        often = same.count >= self.limits.repeats and same.count * SHARE >= talk.said - same.began + 1
        if often and (talk.repeated is None or same.count > talk.repeated.count):
            talk.repeated = same

    def _chained(self, event: Event, talk: _Talk) -> None:
        sender = event.body.sender_id
        cause = self._links.get(event.cause or "")
        link = _Link(sender, frozenset((sender,)), 1, event.position)
        if cause is not None and cause.sender != sender:
            pair = frozenset((sender, cause.sender))
            goes_on = cause.pair == pair or len(cause.pair) == 1
            link = _Link(sender, pair, cause.length + 1 if goes_on else 2, cause.began if goes_on else event.position)
        self._links[event.id] = link
        if len(self._links) > CHAINS_MAX:
            self._links.popitem(last=False)
        if link.length > talk.chain:
            talk.chain, talk.chain_first, talk.chain_last = link.length, link.began, event.position

    def _told(self, session_id: str, talk: _Talk) -> Iterator[Oddity]:
        where = self.names.session(session_id)
        if (same := talk.repeated) is not None:
            who = " and ".join(sorted(self.names.agent(agent_id) for agent_id in same.senders))
            text = quoted(shortened(printable(same.text), QUOTED_WIDTH))
            often = f"{same.count:,} times from @{same.first} to @{same.last}"
            sentence = f"{where}: {who} said {text}, or nearly that, {often}"
            yield Oddity("loop", printable(sentence), (same.first, same.last), f"replay story @{same.last}")
        elif talk.chain >= self.limits.chain:
            first, last = talk.chain_first, talk.chain_last
            what = f"a chain of {talk.chain:,} answers of two to each other, each the cause of the next"
            sentence = f"{where}: {what}, from @{first} to @{last}"
            yield Oddity("loop", printable(sentence), (first, last), f"replay why @{last}")


class OnlyTime(Check):
    """Sessions that their TTL ended: nobody closed them, and no protocol did."""

    def before(self, event: Event, state: HubState) -> Iterator[Oddity]:
        """Look at a session when it expires."""
        record = state.sessions.live.get(event.body.session_id) if isinstance(event.body, SessionExpired) else None
        if record is None:
            return
        turn = f"; it was {self.names.agent(record.turn.speaker)}'s turn" if record.turn is not None else ""
        silent = duration(event.at_us - record.spoken.at_us)
        since = f"{silent} after the last word" if record.spoken.sequence else f"{silent} old, and nobody said a word"
        where = self.names.session(record.session_id)
        sentence = f"{where} of {self.names.agents(record.participants)} ended by its TTL, {since}{turn}"
        yield Oddity("ttl-ended", printable(sentence), (event.position,), f"replay story @{event.position}")
