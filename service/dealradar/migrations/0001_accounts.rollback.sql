DROP TABLE public.sessions;
DROP TABLE public.users;
