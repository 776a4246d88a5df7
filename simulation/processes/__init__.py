"""What drives the machines of a run: each process is a part of the world, and tells the others what becomes of it."""
