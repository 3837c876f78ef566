"""Who calls, and what they may do: policy, without aiohttp or the engine. A middleware of the server asks it."""
