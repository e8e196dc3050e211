"""Everything that can be asked of a hub: answered from memory, or from the log where it left memory (SPEC §1).

``get_*``, ``list_*`` and ``read_*`` are coroutines; the rest are plain calls answered from memory. What is returned
is an immutable snapshot.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from events.errors import NetworkError, NotFoundError
from events.event import Event
from events.log import EventLog, tagged
from events.sessions import SessionCreated
from events.tasks import TaskProgressed, TaskStarted
from events.values import Envelope, Passport, Resume, ResumeExample, Rule, SessionMetadata, TaskMetadata, TaskState
from events.values.session import SessionState
from events.values.times import iso
from hub.catalogue import Catalogue
from hub.commit import Committer
from hub.decisions import decide
from hub.decisions.posting import Post
from hub.protocols.base import SessionAdapter
from projections.archive import find_registration, fold_session, fold_task, task_snapshot
from projections.registry import AgentRecord
from projections.sessions import SessionRecord
from projections.state import HubState
from projections.wal import Viewers, read_wal

LIST_LIMIT = 50
_PROBE_ID = "f" * 32


class Reads:
    """The reading half of ``Hub``."""

    _committer: Committer
    _log: EventLog
    _catalogue: Catalogue

    @property
    def _state(self) -> HubState:
        return self._committer.state

    # Agents.

    def find_agent_id(self, name: str) -> str | None:
        """Return the id of the live agent with this name, or None; O(1)."""
        return self._state.registry.names.get(_text(name))

    def name_for(self, agent_id: str, default: str | None = None) -> str:
        """Return the name behind an id, of one that unregistered too; else the default, else the id itself.

        O(1) for live agents, O(log n) in the log for those who left.
        """
        name = self._state.registry.name_of(agent_id)
        if name is None and (event := find_registration(self._log, agent_id)) is not None:
            name = event.body.name
        return name or (agent_id if default is None else default)

    def agents_with_capability(self, capability: str) -> list[str]:
        """Return the ids of live agents that claim a capability or were seen to have it, oldest first (REG-5)."""
        return list(self._state.registry.with_capability(capability))

    async def get_passport(self, agent_id: str) -> Passport:
        """Return a live agent's passport; NotFoundError for anybody else."""
        return self._agent(agent_id).passport

    async def get_agent(self, name_or_id: str) -> Passport:
        """Return a live agent's passport by id or name; NotFoundError for anybody else."""
        return self._agent(self._resolve(name_or_id)).passport

    async def get_rule(self, agent_id: str) -> Rule:
        """Return the rule that holds for a live agent."""
        return self._agent(agent_id).rule

    async def get_resume(self, agent_id: str) -> Resume:
        """Return a live agent's claims and what was observed of it (REG-4)."""
        record = self._agent(agent_id)
        body = self._body(record.resume_position)
        return Resume(
            claimed_capabilities=record.capabilities,
            domains=record.domains,
            summary=body.summary,
            examples=tuple(ResumeExample(**example) for example in body.examples),
            observed=self._state.observed.of(agent_id),
            version=record.resume_version,
            last_updated=iso(record.resume_updated_us),
        )

    async def get_skill(self, agent_id: str) -> str | None:
        """Return a live agent's skill text, or None when it has none (REG-6)."""
        position = self._agent(agent_id).skill_position
        if position is None:
            return None
        body = self._body(position)
        text: str = body.skill if hasattr(body, "skill") else body.markdown
        return text

    async def list_agents(
        self,
        *,
        capability: str | None = None,
        query: str | None = None,
        kind: str | None = None,
        owner: str | None = None,
        sort_by: str | None = None,
        limit: int | None = LIST_LIMIT,
    ) -> list[Passport]:
        """Return the passports of live agents that match, filtered first and then limited (REG-5, trap 55).

        Args:
            capability: claimed or observed, exactly.
            query: a case-insensitive part of the resume's summary; costs a read of the log per candidate.
            kind: agent, human or remote_agent.
            owner: exactly.
            sort_by: None for the order of registration, or ``name``.
            limit: at most so many; None for all.

        Raises:
            ValueError: another ``sort_by``.
        """
        if sort_by not in (None, "name"):
            raise ValueError(f"sort_by is None (order of registration) or 'name', not {sort_by!r}")
        found = [
            record
            for record in self._state.registry.agents.values()
            if (capability is None or record.can(capability))
            and (kind is None or record.passport.kind == kind)
            and (owner is None or record.passport.owner == owner)
            and (query is None or query.casefold() in self._body(record.resume_position).summary.casefold())
        ]
        if sort_by == "name":
            found.sort(key=lambda record: record.passport.name)
        return [record.passport for record in islice(found, _checked(limit))]

    def inbox_depth(self, agent_id: str) -> int:
        """Return how many envelopes an agent was delivered and has not acknowledged (RULE-9); O(1)."""
        return self._state.inboxes.depth(agent_id)

    # Sessions.

    async def get_session(self, session_id: str) -> SessionMetadata:
        """Return a session, live or ended; NotFoundError when there never was one. O(1) live, else O(its events)."""
        return self._session(session_id).metadata

    def live_session(self, session_id: str) -> SessionMetadata | None:
        """Return a session that is not over, or None; from memory, O(1)."""
        record = self._state.sessions.live.get(session_id)
        return None if record is None else record.metadata

    async def list_sessions(
        self,
        *,
        agent_id: str | None = None,
        state: SessionState | str | None = None,
        limit: int | None = LIST_LIMIT,
    ) -> list[SessionMetadata]:
        """Return sessions in order of creation, filtered first and then limited.

        Args:
            agent_id: only those it takes or took part in.
            state: only those in this state. Live states cost O(live); others read the log.
            limit: at most so many; None for all.
        """
        wanted = None if state is None else SessionState(state)
        if wanted is not None and not wanted.terminal:
            live = self._state.sessions
            records: Iterator[SessionRecord] = live.of_agent(agent_id) if agent_id else iter(live.live.values())
        else:
            records = self._all_sessions(agent_id)
        matching = (record.metadata for record in records if wanted is None or record.state is wanted)
        return list(islice(matching, _checked(limit)))

    def _all_sessions(self, agent_id: str | None) -> Iterator[SessionRecord]:
        tags = (f"agent:{agent_id}",) if agent_id else ()
        for event in self._log.read(tagged(*tags, types=(SessionCreated,)), content=False):
            yield self._session(event.body.session_id)

    async def read_wal(self, session_id: str, since: int = 0, until: int | None = None) -> list[Envelope]:
        """Return the slice ``[since:until]`` of a session's write-ahead log (ENV-5, ENV-6); O(slice).

        Raises:
            NotFoundError: there never was such a session.
            ValueError: ``since`` or ``until`` is not a whole number from 0.
        """
        self._known(session_id)
        _check_slice(since, until)
        return list(read_wal(self._log, session_id, since, until, last=self._last(session_id)))

    async def visible_wal(
        self, session_id: str, agent_ids: frozenset[str] | set[str], since: int = 0, until: int | None = None
    ) -> list[Envelope]:
        """Return what of the slice any of these agents may see: the filter of live delivery (trap 53)."""
        self._known(session_id)
        _check_slice(since, until)
        viewers = Viewers(self._log, session_id, agent_ids)
        return list(read_wal(self._log, session_id, since, until, viewers, last=self._last(session_id)))

    def _last(self, session_id: str) -> int | None:
        """Return the number of a live session's last envelope; None for others."""
        record = self._state.sessions.live.get(session_id)
        return None if record is None else record.sequence

    def session_sequence(self, session_id: str) -> int:
        """Return how many envelopes a session's write-ahead log has; O(1) live, else O(its events)."""
        return self._session(session_id).sequence

    def adapter_for(self, metadata: SessionMetadata) -> SessionAdapter | None:
        """Return the session's type, or None while it is not loaded (SESS-9)."""
        return self._catalogue.adapter(metadata.manifest.type, metadata.manifest.version)

    def expected_next(self, session_id: str) -> str | None:
        """Return whose turn it is in a live session; None when anybody's, nobody's, or not live. O(1)."""
        record = self._state.sessions.live.get(session_id)
        return None if record is None else self._state.sessions.expected_next(record)

    def adapter_state(self, session_id: str) -> Any:
        """Return the frozen state that a live session's type keeps; None when dormant or not live. O(1)."""
        record = self._state.sessions.live.get(session_id)
        return None if record is None else record.adapter_state

    def pending_turns_for(self, agent_id: str) -> list[str]:
        """Return the ids of live sessions that wait for this agent, oldest first; O(its live sessions)."""
        sessions = self._state.sessions
        return [r.session_id for r in sessions.of_agent(agent_id) if sessions.expected_next(r) == agent_id]

    def can_send(self, session_id: str, sender_id: str, event_type: str | None = None) -> bool:
        """Say whether an empty envelope of this type (default: text) would be accepted now; O(participants)."""
        envelope = Envelope(session_id, sender_id)
        if event_type is not None:
            envelope = Envelope(session_id, sender_id, event_type=event_type)
        try:
            decide(
                self._state,
                Post(envelope),
                arbiter=self._committer.port.arbiter,
                catalogue=self._catalogue,
                at_us=max(self._now_us(), self._state.at_us),
                new_id=lambda: _PROBE_ID,
            )
        except NetworkError:
            return False
        return True

    def _now_us(self) -> int:
        raise NotImplementedError

    # Tasks.

    async def get_task(self, task_id: str) -> TaskMetadata:
        """Return a task, open or ended; NotFoundError when there never was one. O(its events)."""
        task = self._task(task_id)
        if task is None:
            raise NotFoundError(f"no task {task_id!r}", task_id=task_id)
        return task

    async def list_tasks(
        self,
        *,
        session_id: str | None = None,
        owner_id: str | None = None,
        state: TaskState | str | None = None,
        limit: int | None = LIST_LIMIT,
    ) -> list[TaskMetadata]:
        """Return tasks in order of first sight, filtered first and then limited; O(tasks that match the ids)."""
        tags = [f"{name}:{value}" for name, value in (("session", session_id), ("agent", owner_id)) if value]
        started = self._log.read(tagged(*tags, types=(TaskStarted,)), content=False)
        tasks = (self._task(event.body.task_id) for event in started)
        wanted = None if state is None else TaskState(state)
        matching = (t for t in tasks if t is not None and (wanted is None or t.state is wanted))
        return list(islice(matching, _checked(limit)))

    def _task(self, task_id: str) -> TaskMetadata | None:
        record = self._state.tasks.open.get(_text(task_id))
        if record is None:
            return fold_task(self._log, task_id)
        started = self._event(record.position)
        return task_snapshot(started, self._log.last(tagged(f"task:{task_id}", types=(TaskProgressed,))), None)

    # The whole.

    @property
    def position(self) -> int:
        """The position of the last recorded event (LOG-1)."""
        return self._log.head

    def state_digest(self) -> str:
        """Return a SHA-256 (hex) over all projections (DET-2); O(what is live)."""
        return self._state.digest()

    # Helpers.

    def _resolve(self, name_or_id: str) -> str:
        """Return the id behind a name; what is neither stays as it is, for others to refuse."""
        return self._state.registry.resolve(_text(name_or_id)) or name_or_id

    def _agent(self, agent_id: str) -> AgentRecord:
        record = self._state.registry.get(_text(agent_id))
        if record is None:
            raise NotFoundError(f"no live agent {agent_id!r}", agent_id=agent_id)
        return record

    def _event(self, position: int) -> Event:
        event = self._committer.event_at(position)
        assert event is not None, f"position {position} is in the state but not in the log"
        return event

    def _body(self, position: int) -> Any:
        return self._event(position).body

    def _session(self, session_id: str) -> SessionRecord:
        record = self._state.sessions.live.get(_text(session_id))
        if record is None:
            record = fold_session(self._log, session_id, self._catalogue)
        if record is None:
            raise NotFoundError(f"no session {session_id!r}", session_id=session_id)
        return record

    def _exists(self, session_id: str) -> bool:
        """Say whether there is or was such a session; O(1) live, else O(log n)."""
        if _text(session_id) in self._state.sessions.live:
            return True
        created = self._log.read(tagged(f"session:{session_id}", types=(SessionCreated,)), limit=1, content=False)
        return next(created, None) is not None

    def _known(self, session_id: str) -> None:
        if not self._exists(session_id):
            raise NotFoundError(f"no session {session_id!r}", session_id=session_id)


def _text(given: object) -> str:
    """Return what was given for an id or name, if it is text; nothing is found by ``""``."""
    return given if isinstance(given, str) else ""


def _checked(limit: Any) -> int | None:
    if limit is None or (isinstance(limit, int) and limit >= 0):
        return limit
    raise ValueError(f"limit is {limit!r:.80}; it is a whole number from 0, or None for all")


def _check_slice(since: Any, until: Any) -> None:
    for name, number in (("since", since), ("until", 0 if until is None else until)):
        if not isinstance(number, int) or number < 0:
            raise ValueError(f"{name} is {number!r:.80}; it counts envelopes of a session, in whole numbers from 0")
