"""The template of the workers as a process of the supervisor."""

from __future__ import annotations

import re
import sys

from backend import launch
from backend.child import Child
from backend.settings import HOME, Settings
from backend.torchserve import STOP_S

NAME = "template"
"""Name of its note; see `backend.child`."""
LOG = "template.log"


class TemplateProcess:
    """A running template; workers that it has forked outlive it.

    It is of use only where archives are for CPUs: CUDA cannot be used in a process that was forked.

    Args:
        found: one that an earlier supervisor has started; by default another one is started.
    """

    def __init__(self, settings: Settings, found: Child | None = None) -> None:
        self._child = found or Child.start(
            settings,
            NAME,
            [sys.executable, "-m", "backend.template", str(settings.run_dir), str(settings.model_store)],
            cwd=HOME,
            environment=_environment(settings),
            log=settings.run_dir / LOG,
        )

    @property
    def exit_status(self) -> int | None:
        """Return the exit status, or None while it runs; see `supervised.Process`."""
        return self._child.exit_status

    def stop(self) -> None:
        """End the process."""
        self._child.end(STOP_S)


def _environment(settings: Settings) -> dict[str, str]:
    """Return the variables of workers, since libraries read some of them when they are loaded."""
    kept_away = re.compile(launch.read_properties(settings.home)["blacklist_env_vars"])
    inherited = launch.environment(settings, settings.run_dir)
    return {name: value for name, value in inherited.items() if not kept_away.fullmatch(name)}
