"""Who calls, and what they may do: pure policy, without sockets, aiohttp or the engine. A middleware of the server asks it."""
