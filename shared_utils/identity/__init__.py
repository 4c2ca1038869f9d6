"""Who is signed in, for every app of the row.

    from shared_utils import identity
    from shared_utils.identity import current_identity, login_required, role_required

    identity.init_app(app)                 # in create_app(), after configure_app()

    @bp.get("/")
    @login_required                        # pages are led to sign-in, programs get 401
    def index():
        return f"Hello {current_identity().name}"

One app, the issuer, signs a token with a private key; the others verify it with the public key
alone. Templates have ``current_identity``, which is None where nobody is signed in.
``docs/identity.md`` tells it all.
"""

from shared_utils.identity.current import current_identity, init_app
from shared_utils.identity.guards import login_required, refusal, role_required
from shared_utils.identity.returning import checked_next, sign_in_url
from shared_utils.identity.tokens import Identity

__all__ = [
    "Identity",
    "checked_next",
    "current_identity",
    "init_app",
    "login_required",
    "refusal",
    "role_required",
    "sign_in_url",
]
