-- depends: 0006_jobs
CREATE TABLE public.idempotency_keys (
    user_id bigint NOT NULL REFERENCES public.users,
    key text NOT NULL,
    request_hash bytea NOT NULL,
    status smallint NOT NULL,
    location text,
    body text NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, key)
);
CREATE INDEX idempotency_keys_by_expiry ON public.idempotency_keys (expires_at);
CREATE TABLE public.feature_flags (
    name text PRIMARY KEY,
    is_on boolean NOT NULL,
    changed_by bigint REFERENCES public.users,
    changed_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE public.feature_flags IS 'switched by operators; a flag without a row has the default of the code';
