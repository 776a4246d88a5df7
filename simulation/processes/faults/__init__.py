"""The faults of the catalogue as acts on the processes of a run: each is begun, and ended as its sentence says."""
