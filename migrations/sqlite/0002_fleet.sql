-- Which control planes there are, and what their nodes have applied. The same tables as in Postgres.

-- Control planes. One that has not been seen for a while is gone, and its nodes with it.
create table control_plane (
    -- Differs for each start of the process.
    instance text    primary key,
    -- Its name, for people.
    name     text    not null,
    -- When it last said that it lives, in Unix milliseconds.
    seen_at  integer not null
) strict, without rowid;

-- Nodes, as the control plane knows them that has their stream.
create table node (
    node_id          text    primary key,
    -- Orders a node's streams: a later one's is larger. An older one never writes over a later one's
    -- row, which is why the row stays when the node has gone.
    stream           integer not null,
    -- The control plane that has the stream.
    instance         text    not null,
    connected        integer not null,
    applied_revision integer not null,
    -- In Unix milliseconds.
    changed_at       integer not null,
    -- The node's document of the admin API.
    body             text    not null,
    -- How its targets and services fare, as JSON.
    facts            text    not null
) strict, without rowid;
