import time

import jwt
from django.conf import settings


def sign(user_id, audience="purser", **claims):
    """A token for purser about this user, good for five minutes."""
    claims |= {"sub": str(user_id), "aud": audience, "exp": int(time.time()) + 300}
    return jwt.encode(claims, settings.PURSER_KEY, algorithm="HS256", headers={"kid": settings.PURSER_KEY_ID})
