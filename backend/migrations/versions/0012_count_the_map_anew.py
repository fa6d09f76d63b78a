"""Count the map anew

Identifiers count in it in their one form: the next head's map is made from all events.

Revision ID: 0012
Revises: 0011
"""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _begin_anew()


def downgrade() -> None:
    _begin_anew()


def _begin_anew() -> None:
    op.execute("DELETE FROM log_map_entries")
    op.execute(f"UPDATE log_state SET map_size = 0, map_root = '0x{'00' * 32}'")  # noqa: S608 - no input
