"""A log whose agents try to write into every page about them, with what they say and with what they are called."""

from __future__ import annotations

import os

from events.values import Envelope, Passport, TaskSpec
from hub.testing import settle
from tests.replay.scenario import Network

MARKUP = (
    "</script></style></title><script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">"
)
MORE = "]]> --> <!-- &lt;b&gt; &#60; ${rows} $rows {0} %s \u2028\u202e'\"`"
MALLORY = "</li></ol><script>document.title='taken'</script>"


async def hostile(path: str | os.PathLike[str]) -> None:
    """Write the scenario; its one session is asked for at @4."""
    net = await Network.open(path)
    await net.enter("alice")
    net.agents["mallory"] = await net.link.register(None, Passport(name=MALLORY, owner=MARKUP))
    session = await net.agents["alice"].open(
        type="conversation", target=MALLORY, intent=MARKUP, labels={MARKUP: MORE}, knobs={"note": MARKUP}
    )
    await settle(net.hub)
    mallory = net.agents["mallory"].agent_id
    task = await net.hub.observe_task(
        session.session_id, mallory, TaskSpec(title=MARKUP, capability=MARKUP, payload={MARKUP: MORE})
    )
    await net.hub.update_task(task.task_id, "failed", error=MARKUP)
    envelope_id = ""
    for text in (MARKUP, MORE, MARKUP * 200):
        net.clock.advance(61)
        envelope_id = await net.hub.post_envelope(Envelope(session.session_id, mallory, event_data={"text": text}))
        await settle(net.hub)
    alice = net.agents["alice"].agent_id
    await net.hub.report_turn_failure(alice, session.session_id, envelope_id, MARKUP)
    await session.close(MARKUP)
    await net.close()
