"""Faults of the catalogue as acts on real hosts, each with what undoes it written down before it is done.

:func:`begin` does one and gives an :class:`Active`; :class:`Faults` undoes all that were begun in it when it is left;
:func:`sweep` undoes what a program left behind that was killed.
"""

from __future__ import annotations

from integration.errors import FaultError
from integration.faults.active import Active, Prepared, begin, prepare
from integration.faults.roles import View, hosts_of, resolve
from integration.faults.sweep import sweep
from integration.faults.together import Faults

__all__ = ["Active", "FaultError", "Faults", "Prepared", "View", "begin", "hosts_of", "prepare", "resolve", "sweep"]
