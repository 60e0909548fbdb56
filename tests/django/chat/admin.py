from django.contrib import admin
from django.core.paginator import Paginator
from django.utils.functional import cached_property

from .models import ChatMessage, ChatSession


class ReadOnly:
    """To be looked at: what was said in a chat is never changed afterwards."""

    def has_add_permission(self, request, obj=None):
        return False

    def has_change_permission(self, request, obj=None):
        return False

    def has_delete_permission(self, request, obj=None):
        return False


class LatestPages(Paginator):
    """Counts the latest 10,000 rows instead of all that there ever were."""

    @cached_property
    def count(self):
        return self.object_list[:10_000].count()


class MessageInline(ReadOnly, admin.TabularInline):
    model = ChatMessage
    fields = ["timestamp", "sender", "message"]
    extra = 0


@admin.register(ChatSession)
class SessionAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["created_at", "user", "id"]
    search_fields = ["=user"]
    inlines = [MessageInline]
    paginator = LatestPages
    show_full_result_count = False


@admin.register(ChatMessage)
class MessageAdmin(ReadOnly, admin.ModelAdmin):
    # The id alone: a join would read the whole log before it has the latest hundred.
    list_display = ["timestamp", "sender", "message", "session_id"]
    ordering = ["-id"]
    paginator = LatestPages
    show_full_result_count = False
