DROP TABLE public.comments;
DROP TABLE public.reviews;
