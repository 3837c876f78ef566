"""What a reader holds: memtables, chunks and segments of one moment, and what is cached or pinned for them.

Nothing here changes what is stored.
"""
