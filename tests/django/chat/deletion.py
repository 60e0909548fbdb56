"""Whoever deletes a customer deletes what the customer said, too."""

import logging
import urllib.request

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models.signals import post_delete
from django.dispatch import receiver

from .tokens import sign

log = logging.getLogger(__name__)


def erase(user_id):
    token = sign(user_id, audience="purser/erase").encode()
    try:
        urllib.request.urlopen(f"{settings.PURSER_INTERNAL_URL}/api/customers/erase", data=token, timeout=10).close()
    except OSError as error:
        # To be done again: nothing else tells purser that this customer is gone.
        log.error("the chat of the deleted user %s is still there: %s", user_id, error)


@receiver(post_delete, sender=get_user_model())
def user_deleted(instance, **kwargs):
    user_id = instance.pk
    transaction.on_commit(lambda: erase(user_id))
