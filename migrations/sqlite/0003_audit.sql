-- Who asked for which change, from where, and what came of it: also of what was refused.
create table audit (
    id         integer primary key autoincrement,
    -- Unix milliseconds.
    at         integer not null,
    -- Name of the token.
    author     text    not null,
    -- Method and path.
    action     text    not null,
    -- Where the request came from; empty where that is not known.
    address    text    not null,
    request_id text    not null,
    comment    text    not null,
    -- `committed`, `unchanged`, or the code of the refusal.
    outcome    text    not null,
    -- The revision it made. A committed write and its row here are one transaction.
    revision   integer
) strict;

create index audit_at on audit (at);

-- Which resources it was about, as `route/orders`.
create table audit_resource (
    resource text    not null,
    audit    integer not null references audit on delete cascade,
    primary key (resource, audit)
) strict, without rowid;

create index audit_resource_audit on audit_resource (audit);
