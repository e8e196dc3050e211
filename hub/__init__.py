"""ledgerhub: a hub for networks of AI agents whose only truth is one append-only log.

Every public name is here; nothing else is public but ``hub.testing``, ``replay`` and ``events.stores.conformance``.
"""

import logging as _logging
from pathlib import Path as _Path

_logging.getLogger("ledgerhub").addHandler(_logging.NullHandler())


def _refuse_strangers() -> None:
    """Fail at once, and clearly, when ``events`` or ``projections`` is somebody else's package of that name."""
    import events  # noqa: PLC0415  (looked at before anything is imported from it)
    import projections  # noqa: PLC0415

    home = _Path(__file__).resolve().parent.parent
    for package in (events, projections):
        found = _Path(package.__file__ or "nowhere").resolve()
        if found.parent.parent != home:
            raise ImportError(
                f"ledgerhub needs its own package {package.__name__!r}, and {found} is in the way: "
                "rename that module, or put ledgerhub in front of it on sys.path"
            )


_refuse_strangers()

# ruff: noqa: E402
from events.errors import (
    AccessDeniedError,
    AuthError,
    CorruptLogError,
    InboxFull,
    NetworkError,
    NotFoundError,
    ProtocolError,
    RateLimitedError,
    StoreError,
    StoreLockedError,
)
from events.event import Event
from events.stores import DiskKnowledgeStore, MemoryKnowledgeStore
from events.values import *  # noqa: F403
from events.values import __all__ as _VALUES
from hub.agents import Agent
from hub.arbiter import (
    Allow,
    Arbiter,
    Deny,
    InboxRequest,
    OpenRequest,
    Party,
    RuleBasedArbiter,
    SendRequest,
    TaskRequest,
)
from hub.auth import ApiKeyAuth, AuthAdapter, AuthRegistry, NoAuth
from hub.auth_signed import Ed25519Auth, HmacAuth
from hub.client.agent_client import AgentClient
from hub.client.hub_client import HubClient
from hub.client.session import Session
from hub.client.task import Task
from hub.client.turn import TurnContext
from hub.expectations import (
    Evaluator,
    ExpectationContext,
    Violation,
    ViolationEffect,
    ViolationHandler,
)
from hub.hub import Hub
from hub.links.local import LocalLink
from hub.listeners import HubListener
from hub.protocols import (
    AdapterResult,
    ConsultingAdapter,
    ConversationAdapter,
    DiscussionAdapter,
    SessionAdapter,
)
from hub.skills import parse_skill_frontmatter, render_fallback_skill
from hub.views import FullTranscript, NamedTranscript, NamedWindowedSummary, ViewPolicy, WindowedSummary
from projections.audit import (
    AUDIT_KIND_ACCESS_DENIED,
    AUDIT_KIND_AGENT_REGISTERED,
    AUDIT_KIND_AGENT_UNREGISTERED,
    AUDIT_KIND_EXPECTATION_VIOLATED,
    AUDIT_KIND_PARTICIPANT_HIDDEN,
    AUDIT_KIND_PARTICIPANT_LEFT,
    AUDIT_KIND_RESUME_SET,
    AUDIT_KIND_RULE_SET,
    AUDIT_KIND_SESSION_CLOSED,
    AUDIT_KIND_SESSION_CREATED,
    AUDIT_KIND_SESSION_EXPIRED,
    AUDIT_KIND_SKILL_SET,
    AUDIT_KIND_TASK_TERMINATED,
    AUDIT_KIND_TURN_FAILED,
)

__all__ = [  # noqa: PLE0604  (the values' own list stands in front)
    *_VALUES,
    "AUDIT_KIND_ACCESS_DENIED",
    "AUDIT_KIND_AGENT_REGISTERED",
    "AUDIT_KIND_AGENT_UNREGISTERED",
    "AUDIT_KIND_EXPECTATION_VIOLATED",
    "AUDIT_KIND_PARTICIPANT_HIDDEN",
    "AUDIT_KIND_PARTICIPANT_LEFT",
    "AUDIT_KIND_RESUME_SET",
    "AUDIT_KIND_RULE_SET",
    "AUDIT_KIND_SESSION_CLOSED",
    "AUDIT_KIND_SESSION_CREATED",
    "AUDIT_KIND_SESSION_EXPIRED",
    "AUDIT_KIND_SKILL_SET",
    "AUDIT_KIND_TASK_TERMINATED",
    "AUDIT_KIND_TURN_FAILED",
    "AccessDeniedError",
    "AdapterResult",
    "Agent",
    "AgentClient",
    "Allow",
    "ApiKeyAuth",
    "Arbiter",
    "AuthAdapter",
    "AuthError",
    "AuthRegistry",
    "ConsultingAdapter",
    "ConversationAdapter",
    "CorruptLogError",
    "Deny",
    "DiscussionAdapter",
    "DiskKnowledgeStore",
    "Ed25519Auth",
    "Evaluator",
    "Event",
    "ExpectationContext",
    "FullTranscript",
    "HmacAuth",
    "Hub",
    "HubClient",
    "HubListener",
    "InboxFull",
    "InboxRequest",
    "LocalLink",
    "MemoryKnowledgeStore",
    "NamedTranscript",
    "NamedWindowedSummary",
    "NetworkError",
    "NoAuth",
    "NotFoundError",
    "OpenRequest",
    "Party",
    "ProtocolError",
    "RateLimitedError",
    "RuleBasedArbiter",
    "SendRequest",
    "Session",
    "SessionAdapter",
    "StoreError",
    "StoreLockedError",
    "Task",
    "TaskRequest",
    "TurnContext",
    "ViewPolicy",
    "Violation",
    "ViolationEffect",
    "ViolationHandler",
    "WindowedSummary",
    "parse_skill_frontmatter",
    "render_fallback_skill",
]
