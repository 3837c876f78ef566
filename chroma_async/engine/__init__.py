"""The engine: what keeps a store true. Only what opens and owns a collection stands at the top; the rest has rooms."""
