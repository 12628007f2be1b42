"""Ports for services that a rehearsal, a bench or a test starts."""

import socket
from pathlib import Path

import pytest

from deploy import ports
from deploy.ports import free_ports


def test_ports_are_other_ones_at_each_call_and_none_that_clients_are_given() -> None:
    lowest_of_clients = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    found = [free_ports(3) for _ in range(20)]
    assert len({port for base in found for port in range(base, base + 3)}) == 60
    assert max(found) + 3 <= min(lowest_of_clients, 32_000)
    assert min(found) >= 1024


def test_a_range_with_a_port_in_use_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", free_ports(1)))
        port = taken.getsockname()[1]
        monkeypatch.setattr(ports, "_FIRST", port - 1)
        monkeypatch.setattr(ports, "_LAST", port + 5)
        for _ in range(4):
            assert free_ports(2) > port


def test_where_every_port_is_in_use_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", free_ports(1)))
        port = taken.getsockname()[1]
        monkeypatch.setattr(ports, "_FIRST", port)
        monkeypatch.setattr(ports, "_LAST", port + 2)
        with pytest.raises(RuntimeError, match="no free ports"):
            free_ports(1)
