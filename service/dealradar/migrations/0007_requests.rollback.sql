DROP TABLE public.feature_flags;
DROP TABLE public.idempotency_keys;
