DROP TABLE public.comments;
DROP TABLE public.review_votes;
DROP TABLE public.reviews;
