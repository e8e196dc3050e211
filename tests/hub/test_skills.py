from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.values.identity import ObservedStat, Passport, Resume, ResumeExample, name_problem
from hub.skills import parse_skill_frontmatter, render_fallback_skill

DOCUMENT = """---
# who
name: alice
description: "Senior \\"policy\\" analyst: finance."
motto: 'it''s fine'
url: http://example.org/a
tags: [finance, 'a, b', "c]"]
languages:
  - en
  - "de"
empty:
none: []
---

# Alice

--- text with a fence
"""


def test_reg_6_frontmatter_and_body_are_told_apart() -> None:
    frontmatter, body = parse_skill_frontmatter(DOCUMENT)
    assert frontmatter == {
        "name": "alice",
        "description": 'Senior "policy" analyst: finance.',
        "motto": "it's fine",
        "url": "http://example.org/a",
        "tags": ["finance", "a, b", "c]"],
        "languages": ["en", "de"],
        "empty": "",
        "none": [],
    }
    assert body == "# Alice\n\n--- text with a fence\n"


@pytest.mark.parametrize(
    "spoiled", [DOCUMENT.replace("\n", "\r\n"), "\ufeff" + DOCUMENT, DOCUMENT.replace("---\n", "--- \n")]
)
def test_reg_6_line_ends_marks_and_trailing_spaces_do_not_matter(spoiled: str) -> None:
    assert parse_skill_frontmatter(spoiled).frontmatter == parse_skill_frontmatter(DOCUMENT).frontmatter


@pytest.mark.parametrize(
    "head",
    [
        "name: alice\nname: bob",
        "no colon",
        "name:alice",
        "  nested: value",
        "- item of nothing",
        "name: alice\n- item of a text",
        "tags: [a]\n- item of a list on one line",
        "tags: [a, , b]",
        "tags: [a, [b]]",
        "tags: [a",
        'name: "unfinished',
        'name: "two" "texts"',
        "name: 'unfinished",
        "name: 'it's'",
        "name: '",
        "text: |\n  block",
        "map: {a: b}",
        "anchor: &a b",
        "two words: value",
    ],
)
def test_reg_6_malformed_frontmatter_is_text_and_never_raises(head: str) -> None:
    document = f"---\n{head}\n---\nbody\n"
    assert parse_skill_frontmatter(document) == ({}, document)


@pytest.mark.parametrize(
    "document", ["", "---", "---\n", "---\nname: alice\n", "# Alice\n", "\n---\nname: a\n---\n", "----\na: b\n---\n"]
)
def test_reg_6_without_frontmatter_all_is_body(document: str) -> None:
    assert parse_skill_frontmatter(document) == ({}, document)


@given(st.text(st.sampled_from("-: \n\r\t#'\"[],a|&{\\\u2028")))
def test_reg_6_any_text_can_be_read(text: str) -> None:
    frontmatter, body = parse_skill_frontmatter(f"---\n{text}\n---\nbody")
    assert body.endswith("body")
    assert all(isinstance(value, str | list) for value in frontmatter.values())


def test_reg_6_reading_is_linear() -> None:
    """Text that would make a backtracking reader take for ever."""
    for head in (
        "t: [" + "a " * 50_000 + "]",
        "t: [" + "'" * 50_001 + "]",
        "t: [" + '"\\' * 50_000 + "]",
        "k" + " " * 50_000,
    ):
        parse_skill_frontmatter(f"---\n{head}\n---\n")
    assert parse_skill_frontmatter("---\nt: [" + "a" * 50_000 + "]\n---\n").frontmatter == {"t": ["a" * 50_000]}


def test_reg_6_an_agent_without_a_skill_is_described_by_its_papers() -> None:
    resume = Resume(
        claimed_capabilities=["analysis", "policy"],
        domains=["finance"],
        summary="Senior policy analyst.\nReads everything.",
        examples=[ResumeExample(title="Q3 risk brief", note="…"), ResumeExample(title="Bare")],
        observed={
            "translation": ObservedStat(n=1, expired=1),
            "analysis": ObservedStat(n=4, completed=3, failed=1, p50_latency_ms=120.5),
        },
    )
    assert render_fallback_skill(Passport(name="alice", owner="acme"), resume) == (
        '---\nname: "alice"\nowner: "acme"\ndescription: "Senior policy analyst. Reads everything."\n---\n\n# alice\n\n'
        "Senior policy analyst.\nReads everything.\n\n## Capabilities\n\n- analysis\n- policy\n\n## Domains\n\n"
        "- finance\n\n"
        "## Track record\n\n- analysis: 3 of 4 tasks completed, median 120.5 ms\n"
        "- translation: 0 of 1 tasks completed\n\n"
        "## Examples\n\n- Q3 risk brief: …\n- Bare\n"
    )


def test_reg_6_an_agent_that_says_nothing_has_its_name() -> None:
    assert render_fallback_skill(Passport(name="bob"), Resume()) == '---\nname: "bob"\n---\n\n# bob\n'


@given(st.text(max_size=20).filter(lambda name: not name_problem(name)), st.text())
def test_reg_6_what_is_rendered_can_be_read(name: str, summary: str) -> None:
    document = render_fallback_skill(Passport(name=name), Resume(summary=summary))
    frontmatter, body = parse_skill_frontmatter(document)
    assert frontmatter["name"] == name
    assert frontmatter.get("description", "") == " ".join(summary.split())
    assert body.startswith(f"# {name}")
