"""What is broken on purpose while a suite watches: processes, servers, and how the mail server answers.

Only on a stack of ours whose processes we started. `Rig` puts the parts together; each fault is an event with a
beginning and an end, and whatever is still broken can be mended at once.
"""

from harness.faults.events import FaultEvent, FaultLog
from harness.faults.mail import DeliveryAttempt, Mailbox, ReceivedMail
from harness.faults.process import Process, freeze, kill, start_again, terminate, thaw
from harness.faults.rig import Rig
from harness.faults.servers import SERVERS, start_server, stop_server

__all__ = [
    "SERVERS",
    "DeliveryAttempt",
    "FaultEvent",
    "FaultLog",
    "Mailbox",
    "Process",
    "ReceivedMail",
    "Rig",
    "freeze",
    "kill",
    "start_again",
    "start_server",
    "stop_server",
    "terminate",
    "thaw",
]
