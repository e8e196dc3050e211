"""Expressions over what the hub knew: ``inbox("bob") > 50``, ``sessions["7be2"].state == "closed"``.

The words are those of ``replay state``: a collection, a key in it, then fields. The form is a subset of Python's, read
by Python's own parser and worked out here, node by node; nothing is ever executed.

====================================  ==========================================================================
written                               gives
====================================  ==========================================================================
``agents["bob"].rule.rate``           what stands at ``agents/bob/rule/rate``; ``agents.bob`` is the same as
                                      ``agents["bob"]``
``inbox("bob")``                      ``inboxes["bob"].depth``
``position``                          where in the log the state is
``len(sessions)``                     how many there are: agents that are registered, sessions and tasks that live
``"bob" in agents``                   whether there is one of this name, or id
``any(s.state == "pending" for s in   whether it is so of one of them; ``all``, ``sum``, ``min``, ``max`` likewise
sessions)``
``and or not in == != < <= > >=``     as in Python; also ``+ - * / // %``, ``a if b else c``, lists and literals
====================================  ==========================================================================

What is not there gives None: an agent before it registered, a session before it was asked for, a capability not seen
yet, ``x["key"]`` without such a key, and every field of None. None is neither above nor below anything. A field that
does not exist, an agent that never registered, a comparison of text with a number are errors, told in one sentence.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Any

from projections.state import HubState
from replay.expressions.reading import read, things
from replay.expressions.working import work_out
from replay.history import History

__all__ = ["Expression", "compile"]


@dataclass(frozen=True, slots=True)
class Expression:
    """A question about a state, checked and ready to be asked again and again.

    Attributes:
        text: as it was written.
        tree: what was parsed of it.
        things: the ``(collection, key)`` pairs that it looks at when these are all that it looks at, else None.
    """

    text: str
    tree: ast.expr
    things: frozenset[tuple[str, str]] | None

    def __call__(self, history: History, state: HubState) -> Any:
        """Return its value in a state of the log, as JSON data; O(its nodes, times the things that it goes through).

        Raises:
            QuestionError: it asks for what no hub has, compares what cannot be compared, or takes too many steps.
        """
        return work_out(self.text, self.tree, history, state)


def compile(text: str) -> Expression:
    """Return the expression that a text is.

    Raises:
        QuestionError: it is not one; the message says what is wrong and what there is.
    """
    tree = read(text)
    return Expression(text, tree, things(tree))
