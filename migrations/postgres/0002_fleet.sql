-- Which control planes there are, and what their nodes have applied: so that each can tell of the whole
-- fleet. Nothing here is configuration; all of it is written again by whoever is connected.

-- Control planes. One that has not been seen for a while is gone, and its nodes with it.
create table control_plane (
    -- Differs for each start of the process.
    instance text   primary key,
    -- Its name, for people.
    name     text   not null,
    -- When it last said that it lives, by this database's clock, in Unix milliseconds.
    seen_at  bigint not null
);

-- Nodes, as the control plane knows them that has their stream.
create table node (
    node_id          text    primary key,
    -- Orders a node's streams: a later one's is larger. An older one never writes over a later one's
    -- row, which is why the row stays when the node has gone.
    stream           bigint  not null,
    -- The control plane that has the stream.
    instance         text    not null,
    connected        boolean not null,
    applied_revision bigint  not null,
    -- By this database's clock, in Unix milliseconds.
    changed_at       bigint  not null,
    -- The node's document of the admin API.
    body             text    not null,
    -- How its targets and services fare, as JSON.
    facts            text    not null
);
