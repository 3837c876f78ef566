"""The seams: all that the engine knows of the outside. Promises, not mechanisms.

Catalog and Log are coroutines, called on the event loop. SegmentStore blocks and is called in worker threads only. Each has a memory and
a local implementation; one contract suite (``tests/contract``) holds them all to the words of these modules.
"""
