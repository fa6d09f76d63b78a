"""`python -m backend.migrations "what changes"`: writes the migration from the last to the present tables.

`--first` replaces all migrations by one that makes the present tables from nothing; only before a release.
"""

import sys
import tempfile
from pathlib import Path

from alembic import command
from sqlalchemy import create_engine

from backend.migrations.upgrade import configuration, upgrade

_VERSIONS = Path(__file__).parent / "versions"


def main() -> int:
    """Writes a revision; read it before it is committed."""
    arguments = [each for each in sys.argv[1:] if each != "--first"]
    first = "--first" in sys.argv
    if len(arguments) != 1:
        sys.stderr.write(f"{__doc__}\n")
        return 2
    if first:
        for old in _VERSIONS.glob("*.py"):
            old.unlink()
    number = len(list(_VERSIONS.glob("*.py"))) + 1
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/scratch.sqlite"
        upgrade(url)
        engine = create_engine(url)
        with engine.begin() as connection:
            config = configuration()
            config.attributes["connection"] = connection
            command.revision(config, arguments[0], autogenerate=True, rev_id=f"{number:04d}")
        engine.dispose()
    return 0


if __name__ == "__main__":
    sys.exit(main())
