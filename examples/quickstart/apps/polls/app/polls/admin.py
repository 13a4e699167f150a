"""Polls in the admin, their options beside them."""

from django.contrib import admin

from polls.models import Option, Poll


class OptionInline(admin.TabularInline):
    model = Option
    extra = 2


@admin.register(Poll)
class PollAdmin(admin.ModelAdmin):
    list_display = ["question", "opened"]
    search_fields = ["question"]
    inlines = [OptionInline]
