"""The developer's commands: `python3 -m tasks help`. Standard library only."""
