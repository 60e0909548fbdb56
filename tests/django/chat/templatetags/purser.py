from django import template
from django.conf import settings
from django.urls import reverse
from django.utils.html import format_html

register = template.Library()


@register.simple_tag
def purser():
    """The chat window."""
    line = '<script src="{}/static/widget.js" data-identity="{}" async></script>'
    return format_html(line, settings.PURSER_URL, reverse("chat-token"))
