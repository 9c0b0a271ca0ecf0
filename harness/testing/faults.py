"""What is broken on purpose: the types behind fixture `rig`, and the mail that the target sent."""

from harness.faults import FaultEvent, Mailbox, ReceivedMail, Rig

__all__ = [
    "FaultEvent",
    "Mailbox",
    "ReceivedMail",
    "Rig",
]
