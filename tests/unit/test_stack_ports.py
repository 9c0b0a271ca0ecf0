"""Ports: what was given to one server of a stack is not given to the next one before it listens."""

import json
import random
import subprocess
import sys
from collections import deque

import pytest

from harness.stack import ports

CHOOSES = """
import random, sys
from harness.stack.ports import free_port
random.seed(5)
sys.stdin.readline()
print([free_port() for _ in range(5)], flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def alone(monkeypatch):
    """Neither another run nor what this process was given before has a say."""
    monkeypatch.setattr(ports, "is_free", lambda _port: True)
    monkeypatch.setattr(ports, "_claim", lambda _port: True)
    monkeypatch.setattr(ports, "_given", deque())


@pytest.mark.usefixtures("alone")
def test_a_port_is_given_once_though_nobody_listens_yet(monkeypatch):
    offered = iter([[20001], [20001, 20002], [20002, 20001, 20003]])
    monkeypatch.setattr(random, "sample", lambda *_: next(offered))
    assert [ports.free_port() for _ in range(3)] == [20001, 20002, 20003]


@pytest.mark.usefixtures("alone")
def test_a_port_that_the_caller_has_is_passed_over(monkeypatch):
    monkeypatch.setattr(random, "sample", lambda *_: [20011, 20012])
    assert ports.free_port(frozenset({20011})) == 20012


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="abstract sockets are Linux's")
def test_processes_that_choose_at_one_moment_choose_different_ports():
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    racing = [subprocess.Popen([sys.executable, "-c", CHOOSES], **pipes) for _ in range(4)]
    try:
        for process in racing:
            process.stdin.write("go\n")
            process.stdin.flush()
        chosen = [port for process in racing for port in json.loads(process.stdout.readline())]
    finally:
        for process in racing:
            process.communicate("end\n", timeout=60)
    assert len(set(chosen)) == len(chosen) == 20


def test_claims_are_bounded(monkeypatch):
    monkeypatch.setattr(ports, "is_free", lambda _port: True)
    for _ in range(200):
        ports.free_port()
    assert len(ports._claims) <= 64
