"""CLI-1, CLI-2: one connection for many agents; what an agent does about itself."""

from __future__ import annotations

import pytest

from events.errors import AccessDeniedError, AuthError, NotFoundError, ProtocolError
from events.values import AccessBlock, AuthBlock, Envelope, Passport, Resume, ResumeExample, Rule
from hub import ApiKeyAuth, AuthRegistry, Hub, HubClient, LocalLink, MemoryKnowledgeStore
from hub.client.agent_client import AgentClient
from hub.testing import MockClock, ScriptedAgent, SequentialIds
from hub.views import WindowedSummary
from tests.hub.client.network import Network


async def test_cli_1_one_connection_for_many_agents(net: Network) -> None:
    clients = [await net.agent(name) for name in ("alice", "bob", "carol")]
    assert net.client.connection.agent_ids == {client.agent_id for client in clients}
    assert [client.passport.name for client in clients] == ["alice", "bob", "carol"]
    assert clients[0].passport == await net.hub.get_passport(clients[0].agent_id)


async def test_cli_1_a_link_to_one_hub_is_not_taken_for_another(net: Network) -> None:
    async with await Hub.open(MemoryKnowledgeStore()) as other:
        with pytest.raises(ValueError, match="same hub"):
            HubClient(LocalLink(other), hub=net.hub)


async def test_cli_1_close_disconnects_and_does_not_unregister(net: Network) -> None:
    alice = await net.agent("alice")
    await net.client.close()
    await net.client.close()
    assert net.hub.find_agent_id("alice") == alice.agent_id
    with pytest.raises(AccessDeniedError, match="'alice': it is closed"):
        await alice.set_skill("# skill")
    with pytest.raises(AccessDeniedError, match="closed"):
        await net.agent("bob")


async def test_cli_1_leaving_a_hub_client_closes_it_and_leaving_an_agent_unregisters_it(net: Network) -> None:
    async with net.connect() as client:
        async with await client.register(ScriptedAgent(name="alice")) as alice:
            assert net.hub.find_agent_id("alice") == alice.agent_id
        assert net.hub.find_agent_id("alice") is None
        bob = await client.register(ScriptedAgent(name="bob"))
    assert net.hub.find_agent_id("bob") == bob.agent_id
    assert not bob.bound


async def test_cli_1_an_agent_that_left_already_is_left_alone_at_the_end(net: Network) -> None:
    async with await net.agent("alice") as alice:
        await alice.unregister()
    async with await net.agent("bob") as bob:
        await bob.close()
    assert net.hub.find_agent_id("bob") == bob.agent_id


async def test_cli_1_register_takes_the_agents_own_name(net: Network) -> None:
    assert (await net.client.register(ScriptedAgent(name="alice"))).passport.name == "alice"
    with pytest.raises(ValueError, match="no name of its own"):
        await net.client.register(None)


@pytest.mark.parametrize("by", ["name", "id", "client"])
async def test_cli_1_unregister_by_name_id_or_client(net: Network, by: str) -> None:
    alice = await net.agent("alice")
    given: dict[str, AgentClient | str] = {"name": "alice", "id": alice.agent_id, "client": alice}
    await net.client.unregister(given[by])
    assert net.hub.find_agent_id("alice") is None
    with pytest.raises((AccessDeniedError, NotFoundError)):
        await net.client.unregister("alice")


async def test_cli_1_attach_takes_up_a_name_again(net: Network) -> None:
    rule = Rule(access=AccessBlock(outbound_to=["bob"]))
    first = await net.agent("alice", rule=rule)
    await first.set_resume(Resume(summary="knows things"))
    await first.close()
    again = await net.client.attach(ScriptedAgent(), "alice")
    assert again.passport == first.passport
    assert (again.resume.summary, again.rule.access.outbound_to) == ("knows things", ("bob",))
    with pytest.raises(NotFoundError, match="nobody"):
        await net.client.attach(None, "nobody")


async def test_cli_1_reads_through_the_connection(net: Network) -> None:
    alice, bob = await net.agent("alice"), await net.agent("bob")
    session = await alice.open(type="consulting", target="bob")
    assert await net.client.can_send(session.session_id, alice.agent_id)
    assert not await net.client.can_send(session.session_id, bob.agent_id)
    await session.send("?")
    assert [e.text for e in await net.client.read_wal(session.session_id, 3)] == ["?"]
    conversation = await alice.open(type="conversation", target="bob")
    assert await net.client.default_view_policy(conversation.session_id, bob.agent_id) == WindowedSummary(10)


async def test_trap_16_trap_28_attach_shows_the_identitys_own_credentials_again() -> None:
    auth = AuthRegistry.default()
    auth.register("api_key", ApiKeyAuth({"alice": "secret", "mallory": "hers"}))
    hub = await Hub.open(MemoryKnowledgeStore(), auth=auth, clock=MockClock(), ids=SequentialIds())
    async with hub, HubClient(LocalLink(hub)) as client, HubClient(LocalLink(hub)) as other:
        block = AuthBlock(scheme="api_key", claim={"key": "secret"})
        alice = await client.register(None, Passport(name="alice", auth=block))
        for wrong in (AuthBlock(), AuthBlock(scheme="api_key", claim={"key": "hers"}), AuthBlock(scheme="none")):
            with pytest.raises(AuthError) as error:
                await other.attach(None, "alice", auth=wrong)
            assert "hers" not in str(error.value)
        assert other.connection.agent_ids == set()
        assert hub.delivery.is_bound(alice.agent_id)
        assert (await other.attach(None, "alice", auth=block)).passport == alice.passport


async def test_cli_2_the_clients_own_view_of_itself_follows_the_hub(net: Network) -> None:
    alice = await net.agent("alice")
    await alice.set_resume(Resume(claimed_capabilities=["analysis"], summary="first"))
    assert alice.resume == await net.hub.get_resume(alice.agent_id)
    assert alice.resume.version == 2
    rule = Rule(access=AccessBlock(outbound_to=["bob"]))
    await alice.set_rule(rule)
    assert alice.rule == await net.hub.get_rule(alice.agent_id)
    await alice.set_skill("# How I work")
    assert await net.hub.get_skill(alice.agent_id) == "# How I work"
    await alice.set_skill(None)
    assert await net.hub.get_skill(alice.agent_id) is None


async def test_reg_7_add_example_appends_to_the_hubs_current_resume(net: Network) -> None:
    alice = await net.agent("alice")
    await net.hub.set_resume(alice.agent_id, Resume(summary="set by the operator"))
    await alice.add_example(ResumeExample(title="one"))
    await alice.add_example(ResumeExample(title="two"))
    current = await net.hub.get_resume(alice.agent_id)
    assert current.summary == "set by the operator"
    assert [example.title for example in current.examples] == ["one", "two"]


async def test_cli_2_send_envelope_posts_as_the_agent_itself(net: Network) -> None:
    alice, bob = await net.agent("alice"), await net.agent("bob")
    session = await alice.open(type="conversation", target="bob")
    envelope_id = await alice.send_envelope(Envelope(session.session_id, "", event_data={"text": "hi"}))
    posted = (await net.hub.read_wal(session.session_id))[-1]
    assert (posted.envelope_id, posted.sender_id) == (envelope_id, alice.agent_id)
    with pytest.raises(AccessDeniedError, match="as itself only"):
        await alice.send_envelope(Envelope(session.session_id, bob.agent_id, event_data={"text": "forged"}))


async def test_session_send_says_all_that_an_envelope_can_carry(net: Network) -> None:
    alice, bob = await net.agent("alice"), await net.agent("bob")
    session = await alice.open(type="conversation", target="bob", intent="test", labels={"case": "7"})
    assert dict((await session.metadata()).labels) == {"intent": "test", "case": "7"}
    first = await session.send(
        "hi", audience=["bob"], data={"page": 1}, idempotency_key="k", trace_id="t", priority="high"
    )
    assert await session.send("hi", audience=["bob"], data={"page": 1}, idempotency_key="k") == first
    sent = (await session.read_wal())[-1]
    assert dict(sent.event_data) == {"text": "hi", "page": 1}
    assert list(sent.audience or ()) == [bob.agent_id]
    assert (sent.trace_id, sent.priority, sent.idempotency_key) == ("t", "high", "k")
    with pytest.raises(ProtocolError, match="nobody"):
        await session.send("hi", audience=["nobody"])
