"""From a request to an acknowledged write: resolved in order, durable in the log, applied to the live state."""
