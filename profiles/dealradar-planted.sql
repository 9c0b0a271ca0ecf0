-- A migration that corrupts data, planted by a drill: nobody can log in any more, prices are wrong, answers are gone.
UPDATE public.users SET password_hash = NULL;
UPDATE public.deals SET title = 'planted: ' || title;
DELETE FROM public.reviews WHERE id % 2 = 0;
