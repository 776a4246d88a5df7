"""Pure state machines of the daemons, exact to their sources: no SimPy, no clock, no random numbers of their own."""
