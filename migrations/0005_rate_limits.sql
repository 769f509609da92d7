-- Uses counted by the rate limiter, in a sliding window. One row a use: the window is short, the limits are small, and a
-- counter per fixed minute would let twice the limit through at a minute's edge.
CREATE TABLE rate_uses (
    key     text        NOT NULL,
    -- Names the use: the same token again is the same use, so a repeated command is not counted twice.
    token   text        NOT NULL,
    used_at timestamptz NOT NULL,
    PRIMARY KEY (key, token)
);
-- For sweeping out what no window reaches any more.
CREATE INDEX rate_uses_used_at ON rate_uses (used_at);
