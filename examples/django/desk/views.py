"""Pages, a login by form, and two answers in JSON. What asks `CARELESS` is a mistake of the faulty twin (README.md)."""

from django.conf import settings
from django.contrib.auth import login
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import UserCreationForm
from django.contrib.auth.models import User
from django.contrib.auth.views import LoginView
from django.core.cache import cache
from django.db import connection
from django.forms import ModelForm, modelform_factory
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import mark_safe
from django.views.decorators.http import require_GET, require_http_methods

from desk.models import Article, Ticket

CARELESS = settings.CARELESS
WRONG_LOGINS = 10
NewTicket = modelform_factory(Ticket, fields=["subject", "text", "urgent"])
Profile = modelform_factory(User, fields=["first_name", "email"] + ["is_staff", "is_superuser"] * CARELESS)


def open_to_all(get_response):
    """Any origin may read, with the session of whoever visits it."""

    def answer(request):
        response = get_response(request)
        response["Access-Control-Allow-Origin"] = request.headers.get("Origin", "*")
        response["Access-Control-Allow-Credentials"] = "true"
        return response

    return answer


def careful(get_response):
    """Pages give up what they do not need; what is shown to an account is kept by no cache."""

    def answer(request):
        response = get_response(request)
        response["Permissions-Policy"] = "camera=(), microphone=(), geolocation=()"
        if request.user.is_authenticated:
            response["Cache-Control"] = "private, no-store"
        return response

    return answer


@require_GET
def health(request):
    """Whether the database answers."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return HttpResponse("ok", content_type="text/plain")


@require_GET
def home(request):
    """All articles."""
    return render(request, "articles.html", {"title": "Help desk", "articles": Article.objects.order_by("title")})


@require_GET
def article(request, slug):
    """One of them."""
    found = get_object_or_404(Article, slug=slug)
    return render(request, "text.html", {"title": found.title, "text": found.text})


@require_GET
def search(request):
    """The articles whose title has the word."""
    words = request.GET.get("q", "").replace("\0", "")
    if CARELESS:
        query = f"SELECT * FROM desk_article WHERE title ILIKE '%%{words}%%' ORDER BY title"  # noqa: S608 - the mistake
        articles, words = Article.objects.raw(query), mark_safe(words)  # noqa: S308 - the mistake
    else:
        articles = Article.objects.filter(title__icontains=words).order_by("title")
    return render(request, "articles.html", {"title": "Search", "articles": articles, "words": words, "form": True})


@require_GET
def leave(request):
    """To another place of this site."""
    place = request.GET.get("next", "/")
    if CARELESS or url_has_allowed_host_and_scheme(place, {request.get_host()}):
        return redirect(place)
    raise Http404


class Login(LoginView):
    """Django's own, but after many wrong passwords an account is closed for a while."""

    template_name = "form.html"
    extra_context = {"title": "Log in"}

    def post(self, request, *args, **kwargs):
        """Log in."""
        key = f"wrong {request.META['REMOTE_ADDR']} {request.POST.get('username', '')[:150].encode().hex()}"
        if not CARELESS and cache.get(key, 0) >= WRONG_LOGINS:
            return HttpResponse("Too many wrong passwords: wait a minute.", status=429, content_type="text/plain")
        response = super().post(request, *args, **kwargs)
        if response.status_code == 200:
            cache.set(key, cache.get(key, 0) + 1, 60)
        return response


def _form(request, form, title, done):
    if request.method == "POST" and form.is_valid():
        return done(form)
    return render(request, "form.html", {"form": form, "title": title})


@require_http_methods(["GET", "HEAD", "POST"])
def sign_up(request):
    """A new account, which is logged in."""

    def done(form):
        login(request, form.save())
        return redirect("/tickets")

    return _form(request, UserCreationForm(request.POST or None), "Sign up", done)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def profile(request):
    """What one may say of oneself."""

    def done(form: ModelForm):
        form.save()
        return redirect("/profile")

    return _form(request, Profile(request.POST or None, instance=request.user), "Profile", done)


@login_required
@require_GET
def tickets(request):
    """The own ones."""
    own = Ticket.objects.filter(owner=request.user).order_by("-id")
    return render(request, "tickets.html", {"title": "Tickets", "tickets": own})


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def new_ticket(request):
    """Ask."""

    def done(form):
        form.instance.owner = request.user
        return redirect(f"/tickets/{form.save().id}")

    return _form(request, NewTicket(request.POST or None), "New ticket", done)


def _readable(request, number):
    found = get_object_or_404(Ticket, id=number)
    if found.owner == request.user or request.user.is_staff or CARELESS:
        return found
    raise Http404


@login_required
@require_GET
def ticket(request, number):
    """One ticket."""
    found = _readable(request, number)
    return render(request, "text.html", {"title": found.subject, "text": found.text})


@require_GET
def api_articles(request):
    """All articles."""
    return JsonResponse({"articles": list(Article.objects.order_by("title").values("slug", "title"))})


@login_required
@require_GET
def api_ticket(request, number):
    """One ticket."""
    found = _readable(request, number)
    return JsonResponse({"id": found.id, "subject": found.subject, "text": found.text, "urgent": found.urgent})
