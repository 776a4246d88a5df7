"""What a design will do: a scenario played on a topology gives a predicted timeline.

Pure state machines (``machines``) follow the daemons' sources; SimPy processes (``processes``) drive
them; closed formulas (``budget``) answer what needs no run. None of it knows the generators.
"""

from __future__ import annotations

__all__: list[str] = []
