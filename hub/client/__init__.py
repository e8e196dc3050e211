"""What an agent program holds: the client of a connection, of one agent, of one session, and the work in a turn."""
