from django.http import HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from .tokens import sign


@require_GET
@never_cache
def token(request):
    """Who is signed in, for the chat window; nothing where nobody is."""
    user = request.user
    if not user.is_authenticated:
        return HttpResponse(status=204)
    signed = sign(user.pk, name=user.get_full_name() or user.get_username(), email=user.email)
    return HttpResponse(signed, content_type="text/plain")
