"""One page with all polls, and the vote."""

import os

from django.conf import settings
from django.db.models import F
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from polls.models import Option, Poll


def index(request):
    return render(
        request,
        "polls/index.html",
        {
            "title": settings.POLLS_TITLE,
            "polls": Poll.objects.prefetch_related("options"),
            "worker": os.getpid(),
        },
    )


@require_POST
def vote(request, option_id):
    option = get_object_or_404(Option, pk=option_id)
    # Counted by the database, so that two workers cannot lose a vote.
    Option.objects.filter(pk=option.pk).update(votes=F("votes") + 1)
    return redirect("index")
