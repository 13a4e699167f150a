import os

from django.conf import settings
from django.db import connection
from django.http import HttpResponse


def visit(request):
    with connection.cursor() as cursor:
        cursor.execute("create table if not exists visit (at timestamp default current_timestamp)")
        cursor.execute("insert into visit default values")
        cursor.execute("select count(*) from visit")
        count = cursor.fetchone()[0]
    title = getattr(settings, "GUESTBOOK_TITLE", "Visits")
    name = os.path.basename(str(settings.DATABASES["default"]["NAME"]))
    return HttpResponse("%s: %d, counted in %s\n" % (title, count, name), content_type="text/plain")
