"""Lets ``python -m rmqha_model`` do what ``rmqha`` does."""

from rmqha_model.cli import main

if __name__ == "__main__":
    main()
