"""Machines that are none: a network namespace for each, or an address of its own on loopback."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path


class Network:
    """Gives each machine an address, and commands that run there.

    name: short; it is part of the names of interfaces, which may have 15 characters.
    """

    def __init__(self, name: str):
        self._name = name
        self._part = 1 + os.getpid() % 250
        self._machines: dict[str, int] = {}
        #: Whether machines are network namespaces.
        self.namespaces = self._make_bridge()

    @property
    def subnet(self) -> str:
        """The addresses of all machines."""
        return f"10.213.{self._part}.0/24" if self.namespaces else "127.0.0.0/8"

    def address(self, machine: str) -> str:
        """The address of a machine, which is added where it is new."""
        if machine not in self._machines:
            self._machines[machine] = 10 + len(self._machines)
            if self.namespaces:
                self._make_namespace(machine)
        number = self._machines[machine]
        return f"10.213.{self._part}.{number}" if self.namespaces else f"127.0.0.{number}"

    def on(self, machine: str, command: list[str]) -> list[str]:
        """A command as it runs on a machine."""
        self.address(machine)
        if not self.namespaces:
            return command
        return ["ip", "netns", "exec", self._namespace(machine), *command]

    def cut(self, machine: str, *, again: bool = False) -> None:
        """Pull a machine's cable; again: put it back."""
        assert self.namespaces
        _ip("link", "set", f"{self._name}v{self._machines[machine]}", "up" if again else "down")

    def close(self) -> None:
        """Take the machines and their wires away."""
        if not self.namespaces:
            return
        for machine in self._machines:
            _ip("netns", "del", self._namespace(machine))
        _ip("link", "del", self._name)

    def _namespace(self, machine: str) -> str:
        return f"{self._name}-{machine}"

    def _make_bridge(self) -> bool:
        if os.geteuid() != 0 or not Path("/proc/self/ns/net").exists():
            return False
        try:
            _ip("link", "add", self._name, "type", "bridge")
        except (OSError, subprocess.CalledProcessError):
            return False
        try:
            _ip("addr", "add", f"10.213.{self._part}.1/24", "dev", self._name)
            _ip("link", "set", self._name, "up")
            _ip("netns", "add", f"{self._name}-try")
            _ip("netns", "del", f"{self._name}-try")
        except subprocess.CalledProcessError:
            _ip("link", "del", self._name)
            return False
        return True

    def _make_namespace(self, machine: str) -> None:
        inside, number = self._namespace(machine), self._machines[machine]
        outer, inner = f"{self._name}v{number}", f"{self._name}w{number}"
        _ip("netns", "add", inside)
        _ip("link", "add", outer, "type", "veth", "peer", "name", inner)
        _ip("link", "set", inner, "netns", inside)
        _ip("link", "set", outer, "master", self._name, "up")
        _ip("-n", inside, "addr", "add", f"10.213.{self._part}.{number}/24", "dev", inner)
        _ip("-n", inside, "link", "set", inner, "up")
        _ip("-n", inside, "link", "set", "lo", "up")
        # By this way a process learns its own address.
        _ip("-n", inside, "route", "add", "default", "via", f"10.213.{self._part}.1")


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
