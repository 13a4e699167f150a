"""A poll is a question with options that collect votes."""

from django.db import models


class Poll(models.Model):
    question = models.CharField(max_length=200)
    opened = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-opened", "-id"]

    def __str__(self):
        return self.question


class Option(models.Model):
    poll = models.ForeignKey(Poll, on_delete=models.CASCADE, related_name="options")
    text = models.CharField(max_length=100)
    votes = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["id"]

    def __str__(self):
        return self.text
