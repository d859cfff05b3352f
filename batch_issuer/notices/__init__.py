"""Telling people what matters: rules over what a run did and what waits, in plain words, through apprise."""

from batch_issuer.notices.channels import Channel, channels_in, is_understood
from batch_issuer.notices.facts import RefusedFile, Run
from batch_issuer.notices.telling import tell, told
from batch_issuer.notices.wording import age

__all__ = ["Channel", "RefusedFile", "Run", "age", "channels_in", "is_understood", "tell", "told"]
