from django.conf import settings
from django.urls import path
from django.views.static import serve

from guestbook import views

urlpatterns = [
    path("", views.index),
    path("healthz", views.healthz),
    # A web server in front does this better; the example has none.
    path("static/<path:path>", serve, {"document_root": settings.STATIC_ROOT}),
]
