"""Who may use the console: users and roles, signing in with a lock against guessing, sessions, tokens."""

from batch_issuer.accounts.accounts import Accounts
from batch_issuer.accounts.passwords import Passwords
from batch_issuer.accounts.proofs import csrf_token, new_password
from batch_issuer.accounts.roles import Role, User, plain_name
from batch_issuer.accounts.signing_in import Refused, Session, SignedIn

__all__ = [
    "Accounts",
    "Passwords",
    "Refused",
    "Role",
    "Session",
    "SignedIn",
    "User",
    "csrf_token",
    "new_password",
    "plain_name",
]
