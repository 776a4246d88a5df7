"""The parts of a run: who does what (`plan`), its programs, its faults in time, and what is made of what was told."""

from __future__ import annotations

__all__: list[str] = []
