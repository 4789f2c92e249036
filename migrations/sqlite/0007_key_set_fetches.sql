-- How the fetching of key sets goes. The keys themselves are in the resource; when they were last asked for, and what came of
-- it, is no configuration. Losing this table costs one fetch of each.
create table key_set_fetch (
    -- Name of the key set. The row goes some time after it.
    name         text   primary key,
    -- What it is fetched from: with another source it is due at once.
    source       text   not null,
    -- The control plane that fetches now, and until when nobody else does, by this database's clock, in Unix
    -- milliseconds; 0: nobody does.
    holder       text   not null,
    held_until   bigint not null,
    -- When it was last asked for, and when it is to be asked for next.
    attempted_at bigint not null,
    due_at       bigint not null,
    -- What came of it, as JSON; empty: nothing yet.
    body         text   not null
);
