DROP TABLE public.notifications;
