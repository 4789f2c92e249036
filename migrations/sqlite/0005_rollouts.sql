-- Where rollouts stand. A rollout is a resource like others; how far it is, and what it has seen, is no configuration.
create table rollout (
    -- Name of the rollout. The row goes some time after it.
    name       text   primary key,
    -- Which rollout of this name the row is about: another one, or a changed one, begins anew.
    identity   text   not null,
    -- The control plane that looks at it now, and until when nobody else does, by this database's clock, in Unix
    -- milliseconds; 0: nobody does.
    holder     text   not null,
    held_until bigint not null,
    -- When it is to be looked at next.
    due_at     bigint not null,
    -- How it goes, and the share of the requests that the canary has, in percent: for those who list.
    phase      text   not null,
    percent    bigint not null,
    -- What a person wants of it, as JSON; empty: nothing.
    wish       text   not null,
    -- Where it stands, as JSON; empty: nowhere yet.
    body       text   not null
);
