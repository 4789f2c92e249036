-- Which rows are encrypted with which master key, and when credentials were last used.

-- Id of the master key that the row's secret fields are encrypted with; empty where it has none; null where they
-- may be in clear, as in rows from before this column, until they are encrypted.
alter table resource add column sealed_with text;
alter table change add column sealed_with text;

-- When nodes last accepted a credential. It is no configuration and makes no revision.
create table credential_use (
    credential   text    primary key,
    -- Unix milliseconds, cut down to the minute.
    last_used_at bigint not null
);
