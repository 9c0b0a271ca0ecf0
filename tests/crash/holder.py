"""A process that holds a stack, to be killed: `python holder.py MARK FOLDER WHAT`; prints its stack as JSON when ready.

WHAT: `stack` (postgres, valkey, smtp and a service with children of its own), `small` (that service alone), `pytest`
(with a process entrusted to the stack that has descendants) or `fork` (with a forked child that holds the pipes).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

from harness.stack import launch, launcher
from tests.stack_target import small_target

TREE = """\
import os, signal, subprocess, sys, time
if os.fork() == 0:
    os.setsid()
    signal.pause()
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print("grown", flush=True)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
time.sleep(600)
"""


def main() -> None:
    """Hold a stack until killed."""
    mark, folder, what = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    launcher.secrets = SimpleNamespace(token_hex=lambda _: mark)
    env = {"CHILDREN": "2"}
    needs = ("postgres", "valkey", "smtp") if what == "stack" else ()
    stack = launch(small_target(folder, needs=needs, env=env))
    told: dict[str, object] = {"url": stack.info.url, "database_url": stack.info.database_url}
    told |= {"redis_url": stack.info.redis_url, "smtp_url": stack.info.smtp_url, "mailbox_url": stack.info.mailbox_url}
    told |= {"supervisor": stack.info.supervisor_pid}
    if what == "pytest":
        # without the stack's mark: only the tree tells that they belong to it
        tree = subprocess.Popen([sys.executable, "-c", TREE, mark], stdout=subprocess.PIPE, text=True)
        assert tree.stdout is not None
        assert tree.stdout.readline() == "grown\n"
        stack.own_process(tree.pid)
        told["tree"] = tree.pid
    if what == "fork":
        child = os.fork()
        if child == 0:
            signal.alarm(60)
            signal.pause()
        told["child"] = child
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()
    time.sleep(600)


if __name__ == "__main__":
    main()
