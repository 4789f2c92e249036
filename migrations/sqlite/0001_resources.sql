-- The configuration, its revisions and its history. The same tables as in Postgres; there is only one
-- writer here, so that revisions are commit-ordered by themselves.

-- Which revision of which history. One row.
create table revision (
    singleton integer primary key default 1 check (singleton = 1),
    -- Identity of the history. After restoring a copy give it another value, so that nodes do not take
    -- a revision of the lost history for one of this:
    --     update revision set epoch = lower(hex(randomblob(16)));
    epoch     text    not null,
    -- Number of the newest commit.
    revision  integer not null check (revision >= 0),
    -- Changes after this revision are all in `change`; those up to it have been trimmed.
    trimmed   integer not null default 0 check (trimmed between 0 and revision)
) strict;

insert into revision (epoch, revision) values (lower(hex(randomblob(16))), 0);

-- Every resource as it is now. Deleted ones are only in `change`.
create table resource (
    kind             text    not null,
    name             text    not null,
    -- The document of the admin API, with digests in place of write-only values.
    body             text    not null,
    -- Content hash of the body, 32 hexadecimal digits; for people to compare with an ETag.
    version          text    not null,
    revision         integer not null,
    created_revision integer not null,
    -- Unix milliseconds.
    updated_at       integer not null,
    primary key (kind, name)
) strict, without rowid;

-- Every commit.
create table revision_log (
    revision integer primary key,
    at       integer not null,
    author   text    not null,
    comment  text    not null,
    changes  integer not null
) strict;

-- What each commit did to each resource. Parents come before children.
create table change (
    revision integer not null references revision_log on delete cascade,
    position integer not null,
    kind     text    not null,
    name     text    not null,
    -- Null where it was created.
    before   text,
    -- Null where it was deleted.
    after    text,
    primary key (revision, position),
    check (before is not null or after is not null)
) strict, without rowid;

-- The history of one resource.
create index change_resource on change (kind, name, revision);
