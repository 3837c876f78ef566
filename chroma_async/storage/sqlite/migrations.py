"""The catalog's tables, as numbered steps. A released step is never edited: a change is a new one at the end.

Ids are the 16 bytes of a UUID, which SQLite compares as UUIDs compare. JSON members are text. ``crc32`` is what
:func:`chroma_async.storage.sqlite.row_checksums.row_checksum` makes of (id, name, tenant, database, metadata, configuration, schema,
dimension, created_ns), and for a manifest of (collection, version) and its body, which says its ``seq`` too.
"""

from __future__ import annotations

#: Step n (from 1) brings a catalog from version n - 1 to version n. The first also makes the defaults, so that they are made once:
#: a default database that was deleted does not come back with the next opening.
MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE schema_version (version INTEGER NOT NULL);
    INSERT INTO schema_version VALUES (0);

    CREATE TABLE tenants (
        name TEXT PRIMARY KEY,
        resource_name TEXT UNIQUE
    ) WITHOUT ROWID;

    -- A database may stand in a tenant that does not exist.
    CREATE TABLE databases (
        tenant TEXT NOT NULL,
        name TEXT NOT NULL,
        id BLOB NOT NULL,
        PRIMARY KEY (tenant, name)
    ) WITHOUT ROWID;

    CREATE TABLE collections (
        id BLOB PRIMARY KEY,
        tenant TEXT NOT NULL,
        database TEXT NOT NULL,
        name TEXT NOT NULL,
        metadata TEXT,
        configuration TEXT NOT NULL,
        schema TEXT NOT NULL,
        dimension INTEGER,
        created_ns INTEGER NOT NULL,
        crc32 INTEGER NOT NULL,
        -- The collection that the tree of forks began with; null for one that is no fork.
        root BLOB,
        UNIQUE (tenant, database, name),
        FOREIGN KEY (tenant, database) REFERENCES databases (tenant, name) ON DELETE CASCADE
    );
    CREATE INDEX collections_by_id ON collections (tenant, database, id);

    CREATE TABLE manifests (
        collection BLOB PRIMARY KEY REFERENCES collections (id) ON DELETE CASCADE,
        version INTEGER NOT NULL,
        body BLOB NOT NULL,
        crc32 INTEGER NOT NULL
    );

    -- Which manifest names which stored file; a file may be named by several.
    CREATE TABLE files (
        collection BLOB NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
        file TEXT NOT NULL,
        PRIMARY KEY (collection, file)
    ) WITHOUT ROWID;
    CREATE INDEX files_by_name ON files (file);

    CREATE TABLE aliases (
        tenant TEXT NOT NULL,
        database TEXT NOT NULL,
        name TEXT NOT NULL,
        collection BLOB NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
        PRIMARY KEY (tenant, database, name)
    ) WITHOUT ROWID;
    CREATE INDEX aliases_by_collection ON aliases (collection);

    CREATE INDEX collections_by_root ON collections (root);

    -- Forks that still read entries of another collection's log, which may be gone by now.
    CREATE TABLE tails (
        collection BLOB NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
        source BLOB NOT NULL,
        after INTEGER NOT NULL,
        PRIMARY KEY (collection, source, after)
    ) WITHOUT ROWID;

    -- At most one for a collection. What the function makes is in the collection ``output``.
    CREATE TABLE attached_functions (
        collection BLOB PRIMARY KEY REFERENCES collections (id) ON DELETE CASCADE,
        id BLOB NOT NULL,
        name TEXT NOT NULL,
        function TEXT NOT NULL,
        output BLOB NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
        params TEXT NOT NULL,
        completed INTEGER NOT NULL,
        min_records INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX attached_functions_by_output ON attached_functions (output);

    INSERT INTO tenants (name) VALUES ('default_tenant');
    INSERT INTO databases (tenant, name, id) VALUES ('default_tenant', 'default_database', zeroblob(16));
    """,
    """
    -- The last operation that a manifest accounts for, so that nobody has to read manifests to list collections.
    ALTER TABLE manifests ADD COLUMN seq INTEGER NOT NULL DEFAULT 0;
    UPDATE manifests SET seq = ifnull(
        json_extract(CAST(body AS TEXT), '$.tails[#-1][2]'), ifnull(json_extract(CAST(body AS TEXT), '$.flushed_seq'), 0)
    ) WHERE json_valid(CAST(body AS TEXT));
    """,
)
