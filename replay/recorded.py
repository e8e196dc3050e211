"""An agent that answers as one did in a recorded log, in order, and never calls a model.

A **turn** is an envelope that reached the agent, what its view showed then, and what it answered. Each session of the
run that the agent is asked in is matched with one it had in the log: the first of the same type that is still free and
begins with the same prompt, else just the first of the type. What the agent is asked must be what it was asked; else
it fails closed, with a diff, and the test fails with it (``replay.plugin``), although the hub lives on (CLI-3).

Answers are text. What an agent sent or opened beside its answers it does not send or open again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import ndiff

from events.log import EventLog, tagged
from events.sessions import EnvelopePosted, SessionCreated
from events.values.envelope import Envelope
from hub.client.task import Tasked
from hub.client.turn import TurnContext
from hub.views import Message, NameOf
from projections.wal import Viewers, posted_envelope
from replay.names import Names
from replay.points import find_agents
from replay.sources import Source, opened

DIFFERENCES: list[str] = []
"""What recorded agents were asked that differs from their recordings, since the test began."""


class PromptDiffersError(AssertionError):
    """The agent was asked something else than was recorded, or more often."""


@dataclass(frozen=True, slots=True)
class Turn:
    """An envelope that reached the agent, and what it answered: "" for nothing."""

    envelope: Envelope
    answer: str


@dataclass(frozen=True, slots=True)
class Part:
    """An agent's part in one recorded session: the session's type, what the agent saw of it, and its turns."""

    session_type: str
    seen: tuple[Envelope, ...]
    turns: tuple[Turn, ...]


@dataclass(slots=True)
class _Playing:
    """A part that is being played in a session of the run."""

    part: Part
    turns: list[Turn]
    given: dict[str, str] = field(default_factory=dict)
    """Envelope id to the answer: a turn that failed later on is asked for again."""


class RecordedAgent(Tasked):
    """Answers as an agent did. Make it with ``RecordedAgent.from_log``.

    Args:
        agent_id: the agent's in the recorded log.
        parts: of its sessions, in order.
        names: agent id to name in the recorded log.
        strict: a prompt that differs fails; False answers in order whatever is asked, and is silent at the end.

    Attributes:
        name: the agent's; also for registering it without a passport.
    """

    def __init__(self, agent_id: str, parts: tuple[Part, ...], names: dict[str, str], *, strict: bool = True) -> None:
        self.name = names.get(agent_id, agent_id)
        self.strict = strict
        self._agent_id, self._names = agent_id, names
        self._free = list(parts)
        self._playing: dict[str, _Playing] = {}

    @classmethod
    def from_log(cls, source: Source, name: str, *, strict: bool = True) -> RecordedAgent:
        """Read an agent's parts out of a log; O(events of its sessions).

        Args:
            source: a log's folder, a golden's file, a hub, a history.
            name: the agent's name or id; of a name that several had, the last.
            strict: see the class.

        Raises:
            QuestionError: the log does not know the agent.
            StoreError, CorruptLogError: the log cannot be read.
        """
        with opened(source) as log:
            agent_id = find_agents(log, name)[-1]
            created = tagged(f"agent:{agent_id}", types=(SessionCreated,))
            parts = tuple(
                _part(log, agent_id, event.body.session_id, event.body.manifest["type"]) for event in log.read(created)
            )
            people = {agent_id, *(envelope.sender_id for part in parts for envelope in part.seen)}
            names = Names(log)
            return cls(agent_id, parts, {one: names.agent(one) for one in people}, strict=strict)

    @property
    def unasked(self) -> int:
        """How many recorded answers nobody asked for yet; 0 when the agent has played all of its part."""
        left = [*(playing.turns for playing in self._playing.values()), *(part.turns for part in self._free)]
        return sum(1 for turns in left for turn in turns if turn.answer)

    async def ask(self, message: str, *, context: TurnContext) -> str:
        """Return the recorded answer to this turn; "" where the agent gave none.

        Raises:
            PromptDiffersError: it was asked something else, or more often than was recorded; never when not ``strict``.
        """
        asked = _prompt(message, context.history, context.client.connection.name_for)
        playing = self._playing.get(context.session_id)
        if playing is None:
            playing = self._playing[context.session_id] = self._begin(asked, context)
        trigger = context.envelope.envelope_id
        if trigger not in playing.given:
            playing.given[trigger] = self._next(playing, asked, context)
        return playing.given[trigger]

    def _begin(self, asked: list[str], context: TurnContext) -> _Playing:
        kind = context.metadata.manifest.type
        alike = [part for part in self._free if part.session_type == kind]
        if not alike:
            return _Playing(Part(kind, (), ()), [])
        same = (part for part in alike if part.turns and self._was_asked(part, part.turns[0], context) == asked)
        part = next(same, alike[0])
        self._free.remove(part)
        return _Playing(part, list(part.turns))

    def _next(self, playing: _Playing, asked: list[str], context: TurnContext) -> str:
        while playing.turns:
            turn = playing.turns[0]
            if not self.strict:
                del playing.turns[0]
                if turn.answer:
                    return turn.answer
                continue
            was_asked = self._was_asked(playing.part, turn, context)
            if was_asked != asked and turn.answer:
                raise self._differs("was asked something else than was recorded", was_asked, asked)
            del playing.turns[0]
            if was_asked == asked:
                return turn.answer
            # The envelope reached the agent, and it was not asked or had nothing to say: nothing is missing.
        if self.strict:
            raise self._differs("was asked more often than was recorded", [], asked)
        return ""

    def _was_asked(self, part: Part, turn: Turn, context: TurnContext) -> list[str]:
        """Return what the agent was asked then, seen through the view that it has now; O(session)."""
        client, connection = context.client, context.client.connection
        adapter = connection.adapter_for(context.metadata)
        assert adapter is not None, "an agent is asked in sessions of a loaded type only"
        policy = client.view_policy or adapter.default_view_policy(context.metadata, context.agent_id)
        seen = [envelope for envelope in part.seen if envelope.sequence <= turn.envelope.sequence]
        history = policy.project(seen, self._agent_id, self._name_of, adapter.render_envelope)
        return _prompt(adapter.extract_turn_input(turn.envelope) or "", history, self._name_of)

    def _name_of(self, agent_id: str) -> str:
        return self._names.get(agent_id, agent_id)

    def _differs(self, what: str, recorded: list[str], asked: list[str]) -> PromptDiffersError:
        diff = (line for line in ndiff(recorded, asked) if not line.startswith("?"))
        text = "\n".join([f"{self.name!r} {what} (- recorded, + asked):", *(f"  {line}" for line in diff)])
        DIFFERENCES.append(text)
        return PromptDiffersError(text)


def _prompt(message: str, history: Sequence[Message], name_of: NameOf) -> list[str]:
    """Return what an agent is asked, a line for each message of its history and one for what it is to answer."""
    return [*(f"{name_of(one.sender_id)}: {one.content}" for one in history), f"asked: {message}"]


def _part(log: EventLog, agent_id: str, session_id: str, session_type: str) -> Part:
    viewers = Viewers(log, session_id, [agent_id])
    events = list(log.read(tagged(f"session:{session_id}", types=(EnvelopePosted,))))
    envelopes = [(event, posted_envelope(event)) for event in events]
    answers = {e.causation_id: e.text for _, e in envelopes if e.sender_id == agent_id and e.causation_id}
    reached = (e for event, e in envelopes if agent_id in event.body.recipients)
    return Part(
        session_type,
        tuple(e for event, e in envelopes if viewers.sees(event, e)),
        tuple(Turn(e, answers.get(e.envelope_id, "")) for e in reached),
    )
