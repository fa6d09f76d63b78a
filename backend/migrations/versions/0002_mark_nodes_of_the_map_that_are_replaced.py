"""Mark nodes of the map that are replaced

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_REPLACED = sa.text("replaced_at IS NOT NULL")


def upgrade() -> None:
    op.add_column("log_map_nodes", sa.Column("replaced_at", sa.BigInteger(), nullable=True))
    op.create_index(
        "ix_log_map_nodes_replaced",
        "log_map_nodes",
        ["ledger_id", "replaced_at"],
        postgresql_where=_REPLACED,
        sqlite_where=_REPLACED,
    )


def downgrade() -> None:
    op.drop_index("ix_log_map_nodes_replaced", "log_map_nodes")
    op.drop_column("log_map_nodes", "replaced_at")
