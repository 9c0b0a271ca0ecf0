"""The same help desk as it leaves a developer's machine: each line is one that `manage.py check --deploy` warns of."""

from desk.settings import *  # noqa: F403 - Django's way to change some settings

CARELESS = True
DEBUG = True
ALLOWED_HOSTS = ["*"]
SECRET_KEY = "django-insecure-3k2j"
MIDDLEWARE = [
    "desk.views.open_to_all",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
AUTH_PASSWORD_VALIDATORS = []
SESSION_COOKIE_SECURE = False
CSRF_COOKIE_SECURE = False
SESSION_COOKIE_HTTPONLY = False
SESSION_COOKIE_SAMESITE = None
