"""What a design does: the same scenario played on real daemons gives a measured timeline.

Real hosts with the generated files and scripts on them (``lab``), faults with their undo (``faults``),
and probes that turn daemons and clients into a timeline (``observe``, ``probe``).
"""

from __future__ import annotations

__all__: list[str] = []
