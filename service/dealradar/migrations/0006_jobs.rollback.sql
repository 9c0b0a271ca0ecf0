DROP TABLE public.metrics_hourly;
DROP TABLE public.job_runs;
DROP TABLE public.jobs;
DROP FUNCTION public.require_fence();
DROP FUNCTION public.hold_fence(text, bigint);
