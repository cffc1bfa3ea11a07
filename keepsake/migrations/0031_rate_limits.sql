-- How much was asked in a minute, by whom. Worth nothing after a crash, so it is not logged.
CREATE UNLOGGED TABLE rate_limits (
    key     bytea PRIMARY KEY,               -- SHA-256 of what is limited: a token, an address
    minute  bigint NOT NULL,                 -- since 1970
    taken   integer NOT NULL
);
