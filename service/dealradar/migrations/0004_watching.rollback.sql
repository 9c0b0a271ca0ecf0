DROP TABLE public.price_alerts;
DROP TABLE public.watchlist_items;
