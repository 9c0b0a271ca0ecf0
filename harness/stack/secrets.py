"""Which facts of a stack are secret, told to whoever redacts."""

from __future__ import annotations

from harness.machine.redaction import Redactor
from harness.machine.secret_values import setting_secrets
from harness.model import StackInfo


def teach_secrets(redact: Redactor, info: StackInfo) -> None:
    """Tell the redactor the secrets of a stack."""
    redact.learn(info.secrets.values())
    redact.learn((info.database_url, info.redis_url, info.smtp_url))
    redact.learn(setting_secrets(info.settings))
