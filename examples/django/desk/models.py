"""Articles that everybody reads, and tickets that only their owner does."""

from django.contrib.auth.models import User
from django.db import models


class Article(models.Model):
    """An answer to a common question."""

    slug = models.SlugField(unique=True)
    title = models.CharField(max_length=100)
    text = models.TextField()


class Ticket(models.Model):
    """A question that somebody asked."""

    owner = models.ForeignKey(User, models.CASCADE)
    subject = models.CharField(max_length=100)
    text = models.TextField(max_length=2000)
    urgent = models.BooleanField(default=False)
