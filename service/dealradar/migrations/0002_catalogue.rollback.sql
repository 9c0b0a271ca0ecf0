DROP TABLE public.deals;
DROP TABLE public.categories;
DROP TABLE public.merchants;
