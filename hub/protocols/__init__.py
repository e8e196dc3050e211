"""The session types: what may be said when, and when it is over (SPEC §5, Adapters)."""

from hub.protocols.base import AdapterResult, SessionAdapter
from hub.protocols.consulting import ConsultingAdapter
from hub.protocols.conversation import ConversationAdapter
from hub.protocols.discussion import DiscussionAdapter

__all__ = [
    "AdapterResult",
    "ConsultingAdapter",
    "ConversationAdapter",
    "DiscussionAdapter",
    "SessionAdapter",
    "default_adapters",
]


def default_adapters() -> tuple[SessionAdapter, ...]:
    """Return the session types that every hub knows unless it is opened without them."""
    return (ConsultingAdapter(), ConversationAdapter(), DiscussionAdapter())
