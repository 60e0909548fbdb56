"""A mail server for tests: says its port, then each mail that it gets, as lines of JSON.

Arguments: what it answers to the mails, in their order (a code such as 250 or 451, or `hang` to take a mail and never
answer); the last one counts for all that follow. `--tls CERTIFICATE KEY` has it want STARTTLS and the login chat/sesame.
"""

import asyncio
import email
import email.policy
import json
import os
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword


def tell(**what):
    print(json.dumps(what), flush=True)


class Handler:
    def __init__(self, answers):
        self.answers = answers
        self.count = 0

    async def handle_DATA(self, server, session, envelope):
        answer = self.answers[min(self.count, len(self.answers) - 1)]
        self.count += 1
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        part = lambda kind: mail.get_body((kind,)).get_content().replace("\r\n", "\n") if mail.get_body((kind,)) else None
        tell(
            answer=answer,
            sender=envelope.mail_from,
            to=envelope.rcpt_tos,
            secret=session.ssl is not None,
            login=bool(session.authenticated),
            headers={name.lower(): str(value) for name, value in mail.items()},
            names=[name.lower() for name in mail.keys()],
            text=part("plain"),
            html=part("html"),
        )
        if answer == "hang":
            await asyncio.sleep(3600)
        return f"{answer} so it is"


def login(server, session, envelope, mechanism, data):
    right = isinstance(data, LoginPassword) and (data.login, data.password) == (b"chat", b"sesame")
    return AuthResult(success=right, handled=False)


async def main():
    arguments = sys.argv[1:]
    options = {}
    if "--tls" in arguments:
        at = arguments.index("--tls")
        certificate, key = arguments[at + 1 : at + 3]
        del arguments[at : at + 3]
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, key)
        options = dict(tls_context=context, require_starttls=True, auth_required=True, authenticator=login)
    handler = Handler(arguments or ["250"])
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(handler, hostname="localhost", **options), "127.0.0.1", 0)
    tell(port=server.sockets[0].getsockname()[1])
    # Until the test goes away.
    await loop.run_in_executor(None, sys.stdin.read)
    # What hangs is nothing to wait for.
    os._exit(0)


asyncio.run(main())
