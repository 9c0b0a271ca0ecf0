DROP TABLE public.price_imports;
DROP TABLE public.price_history;
DROP TABLE public.deals;
DROP TABLE public.categories;
DROP TABLE public.merchants;
