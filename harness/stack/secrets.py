"""Which facts of a stack are secret, told to whoever redacts."""

from __future__ import annotations

import re

from harness.machine.redaction import Redactor
from harness.model import StackInfo

_SECRET_SETTING = re.compile(r"SECRET|PASSWORD|(?:^|_)(?:TOKEN|PASSWD|(?:API|ACCESS|SIGNING|PRIVATE|ENCRYPTION)_?KEY)$")
"""Names of settings whose values are secrets."""


def teach_secrets(redact: Redactor, info: StackInfo) -> None:
    """Tell the redactor the secrets of a stack."""
    redact.learn(info.secrets.values())
    redact.learn((info.database_url, info.redis_url, info.smtp_url))
    redact.learn(value for name, value in info.settings.items() if _SECRET_SETTING.search(name) or "://" in value)
