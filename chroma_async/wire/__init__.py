"""Chroma's JSON, both directions, so that server and client agree by construction.

:mod:`.body` what every request body obeys; :mod:`.answers` what every answer obeys; :mod:`.embeddings` vectors; :mod:`.requests` record
requests; :mod:`.responses` record answers; :mod:`.collections` everything else with a name; :mod:`.errors` failures. No module here does
I/O or knows HTTP beyond status numbers.
"""
