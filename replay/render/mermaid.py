"""A session's story as the text of a Mermaid sequence diagram.

What agents wrote goes in as quoted text with every character that Mermaid reads as its own (``#``, ``;``, ``<``, ``>``,
``&``, ``%``, which begins a directive) as a character code, so that nobody can write into the diagram by speaking.
"""

from __future__ import annotations

from collections.abc import Iterator

from replay.render.lanes import mark
from replay.render.text import printable, shortened
from replay.story import Kind, Step, Story, Tally

TEXT_WIDTH = 160
"""A diagram is an overview; longer texts are cut with …, in cells."""
HUB_ID = "hub"
_CODES = {ord(char): f"#{ord(char)};" for char in "#;<>&%"}


def diagram_lines(story: Story, tally: Tally | None = None) -> Iterator[str]:
    """Give the lines of a diagram, lazily; Mermaid's own limits on its size are the reader's.

    ``tally`` counts the steps that are in it.
    """
    names = story.history.names
    lanes = {agent_id: f"a{number}" for number, agent_id in enumerate(story.roles)}
    yield "sequenceDiagram"
    for agent_id, lane in lanes.items():
        yield f"    participant {lane} as {safe(names.agent(agent_id))}"
    ends = f"{lanes[next(iter(lanes))]},{lanes[next(reversed(lanes))]}"
    yield f"    Note over {ends}: {safe(names.session(story.session_id))}"
    for step in story.steps(tally):
        yield from (f"    {line}" for line in _step(step, lanes, ends))


def _step(step: Step, lanes: dict[str, str], ends: str) -> Iterator[str]:
    lane = lanes.get(step.agent_id)
    text = safe(f"@{step.event.position} {mark(step)}{step.text}")
    if step.kind is Kind.SAID and lane is not None:
        reached = [lanes[agent_id] for agent_id in step.to if agent_id in lanes]
        yield from (f"{lane}->>{other}: {text}" for other in reached)
        if not reached:
            yield f"{lane}-x{lane}: {text}"
    else:
        yield f"Note over {lane or ends}: {text}"


def safe(text: str) -> str:
    """Return text that Mermaid shows as it is."""
    return shortened(printable(text), TEXT_WIDTH).translate(_CODES)
