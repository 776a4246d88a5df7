"""What makes and checks the documents; nothing of it is installed."""
