"""Where everything is."""

from django.conf import settings
from django.contrib.auth.views import LogoutView
from django.urls import path, re_path
from django.views.static import serve

from desk import views

urlpatterns = [
    path("", views.home),
    path("health", views.health),
    path("search", views.search),
    path("articles/<slug:slug>", views.article),
    path("leave", views.leave),
    path("login", views.Login.as_view()),
    path("logout", LogoutView.as_view()),
    path("signup", views.sign_up),
    path("profile", views.profile),
    path("tickets", views.tickets),
    path("tickets/new", views.new_ticket),
    path("tickets/<int:number>", views.ticket),
    path("api/articles", views.api_articles),
    path("api/tickets/<int:number>", views.api_ticket),
    re_path(
        r"^media/(?P<path>.*)$",
        serve,
        {"document_root": settings.HERE.parent / "media", "show_indexes": settings.CARELESS},
    ),
]
