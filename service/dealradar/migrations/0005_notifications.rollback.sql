DROP TABLE public.delivery_attempts;
DROP TABLE public.notifications;
