-- The configuration, its revisions and its history.
--
-- Bodies are `json`, not `jsonb`: `jsonb` rewrites numbers (`1e5` becomes `100000`), which would change
-- the content version of a plugin's settings.

-- Which revision of which history. One row, whose lock a write holds from its first read to its commit:
-- revisions therefore become visible in their order, which a sequence does not promise.
create table revision (
    singleton boolean primary key default true check (singleton),
    -- Identity of the history. After restoring a backup give it another value, so that nodes do not
    -- take a revision of the lost history for one of this:
    --     update revision set epoch = gen_random_uuid();
    epoch     text   not null,
    -- Number of the newest commit.
    revision  bigint not null check (revision >= 0),
    -- Changes after this revision are all in `change`; those up to it have been trimmed.
    trimmed   bigint not null default 0 check (trimmed between 0 and revision)
);

insert into revision (epoch, revision) values (gen_random_uuid(), 0);

-- Every resource as it is now. Deleted ones are only in `change`.
create table resource (
    kind             text   not null,
    name             text   not null,
    -- The document of the admin API, with digests in place of write-only values.
    body             json   not null,
    -- Content hash of the body, 32 hexadecimal digits; for people to compare with an ETag.
    version          text   not null,
    revision         bigint not null,
    created_revision bigint not null,
    -- Unix milliseconds.
    updated_at       bigint not null,
    primary key (kind, name)
);

-- Every commit.
create table revision_log (
    revision bigint primary key,
    at       bigint  not null,
    author   text    not null,
    comment  text    not null,
    changes  integer not null
);

-- What each commit did to each resource. Parents come before children.
create table change (
    revision bigint  not null references revision_log on delete cascade,
    position integer not null,
    kind     text    not null,
    name     text    not null,
    -- Null where it was created.
    before   json,
    -- Null where it was deleted.
    after    json,
    primary key (revision, position),
    check (before is not null or after is not null)
);

-- The history of one resource.
create index change_resource on change (kind, name, revision);
