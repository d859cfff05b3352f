"""What proves who somebody is: cookies of sessions, tokens, and what guards forms against other sites."""

import hashlib
import hmac
import secrets
from typing import Final

from pydantic import SecretStr

_BYTES: Final = 32
_TOKEN: Final = "bi_"  # noqa: S105 - what tokens begin with, so that they are found where they leak
_LONGEST: Final = 200


def new_cookie() -> SecretStr:
    """Draw what a browser will hold."""
    return SecretStr(secrets.token_urlsafe(_BYTES))


def new_token() -> SecretStr:
    """Draw what another system will hold."""
    return SecretStr(_TOKEN + secrets.token_urlsafe(_BYTES))


def new_token_id() -> str:
    """Draw what a token is called by."""
    return secrets.token_hex(4)


def new_password() -> SecretStr:
    """Draw a password that nobody guesses, and that can be typed."""
    return SecretStr("-".join(secrets.token_hex(3) for _ in range(5)))


def digest_of(proof: str) -> str:
    """Return what the ledger keeps of a cookie or a token: what is drawn at random needs no slow hash."""
    return hashlib.sha256(proof[:_LONGEST].encode("utf-8", "surrogatepass")).hexdigest()


def csrf_token(cookie: str) -> str:
    """Return what forms of a session carry: another site can neither read nor compute it."""
    return hmac.new(cookie.encode("utf-8", "surrogatepass"), b"csrf", hashlib.sha256).hexdigest()
