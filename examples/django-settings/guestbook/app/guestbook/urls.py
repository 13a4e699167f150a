from django.urls import path

from guestbook.views import visit

urlpatterns = [path("", visit)]
