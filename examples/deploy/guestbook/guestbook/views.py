from django.http import HttpResponse, HttpResponseRedirect
from django.middleware.csrf import get_token
from django.utils.html import format_html, format_html_join

from guestbook.models import Entry


def index(request):
    if request.method == "POST":
        Entry.objects.create(name=request.POST["name"][:80])
        return HttpResponseRedirect("/")
    entries = format_html_join("", "<li>{}</li>\n", ((e.name,) for e in Entry.objects.order_by("id")))
    return HttpResponse(format_html(PAGE, get_token(request), entries))


def healthz(request):
    Entry.objects.exists()  # fails where the database cannot be asked
    return HttpResponse("well\n", content_type="text/plain")


PAGE = """<!doctype html>
<title>Guestbook</title>
<link rel="stylesheet" href="/static/style.css">
<h1>Guestbook</h1>
<form method="post"><input type="hidden" name="csrfmiddlewaretoken" value="{}"><input name="name"> <button>Sign</button></form>
<ul>
{}</ul>
"""
