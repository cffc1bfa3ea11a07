"""The first user of an installation: its operator, who has not said who they are yet."""

from keepsake.accounts.audit import record_write
from keepsake.accounts.sign_in import SignIn, request_sign_in
from keepsake.accounts.users import add_user, users
from keepsake.database import Connection

EMAIL = "me@localhost"


def first_sign_in(connection: Connection) -> SignIn | None:
    """What the operator signs in with for the first time, as a user who is added for that.

    None: users were added by hand, or the first one has signed in.
    """
    with connection.transaction():
        if not users(connection):
            user = add_user(connection, EMAIL, "Me", operator=True)
            record_write(connection, None, "user.add", owner_id=None, detail=f"user {user.id}")
        signed_in = connection.execute("SELECT FROM sessions LIMIT 1").fetchone() is not None
        if signed_in or [user.email for user in users(connection)] != [EMAIL]:
            return None
        return request_sign_in(connection, EMAIL, limited=False)
