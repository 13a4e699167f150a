"""The addresses of the polls."""

from django.urls import path

from polls import views

urlpatterns = [
    path("", views.index, name="index"),
    path("vote/<int:option_id>/", views.vote, name="vote"),
]
