"""How clients reach a hub: every command through a link carries its actor and is authorised (SPEC §5 SESS-7, §10)."""
