"""Ports: what was given to one server of a stack is not given to the next one before it listens."""

import random

from harness.stack import ports


def test_a_port_is_given_once_though_nobody_listens_yet(monkeypatch):
    offered = iter([[20001], [20001, 20002], [20002, 20001, 20003]])
    monkeypatch.setattr(random, "sample", lambda *_: next(offered))
    monkeypatch.setattr(ports, "is_free", lambda _port: True)
    assert [ports.free_port() for _ in range(3)] == [20001, 20002, 20003]


def test_a_port_that_the_caller_has_is_passed_over(monkeypatch):
    monkeypatch.setattr(random, "sample", lambda *_: [20011, 20012])
    monkeypatch.setattr(ports, "is_free", lambda _port: True)
    assert ports.free_port(frozenset({20011})) == 20012
