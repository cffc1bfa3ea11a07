"""The mail that a person signs in with. Not by the outbox, which would store link and code."""

import logging
from urllib.parse import quote

from keepsake.accounts.sign_in import SignIn
from keepsake.delivery.notifications import notify
from keepsake.settings import AccountSettings

log = logging.getLogger(__name__)

TITLE = "Sign in to Keepsake"
BODY = """Hello {name},

open this link and press the button to sign in:

{url}

Or type this code where you asked for it: {code}

Link and code are good for 15 minutes, and for one use in all. If you did not ask for them, leave
them alone: without them nothing happens.
"""


async def send_sign_in_mail(settings: AccountSettings, sign_in: SignIn, *, base_url: str) -> bool:
    """Send it once, by `SIGN_IN_MAIL`. Whether that was done; the log says why not."""
    address = quote(sign_in.email, safe="")
    url = settings.sign_in_mail.get_secret_value().replace("{email}", address)
    body = BODY.format(name=sign_in.name, url=link_url(sign_in, base_url), code=sign_in.code)
    delivery = await notify([url], title=TITLE, body=body)
    if delivery.status != "sent":
        log.warning("a mail to sign in with was not sent: %s", delivery.detail)
    return delivery.status == "sent"


def link_url(sign_in: SignIn, base_url: str) -> str:
    """The address of the page with the button."""
    return f"{base_url}/sign-in/{sign_in.link}"
