"""The site's addresses."""

from django.contrib import admin
from django.contrib.staticfiles.views import serve
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    # Good enough for a demonstration: the admin's style sheets, served by
    # Django itself. A real site leaves them to the web server in front.
    path("static/<path:path>", serve, {"insecure": True}),
    path("", include("polls.urls")),
]
