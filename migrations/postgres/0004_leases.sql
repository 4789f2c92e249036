-- When targets that registered themselves last gave a sign of life. The targets are resources like others; a
-- sign of life is no change of the configuration. A target without a row here has just given one, as far
-- as anyone knows: losing this table ends no registration that goes on.
create table lease (
    -- Name of the target. Its row comes before the target, and goes some time after it.
    target  text   primary key,
    -- By this database's clock, in Unix milliseconds.
    seen_at bigint not null
) with (
    -- Room for a changed row beside the old one.
    fillfactor = 50
);
