"""The documents, and the programs that make those of them that follow from the code."""
