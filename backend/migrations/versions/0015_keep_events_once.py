"""Keep events once

What happened to a receivable is read from the index's own events; the copy of them goes.

Revision ID: 0015
Revises: 0014
"""

import sqlalchemy as sa
from alembic import op

from backend.kit import columns

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_table("receivable_events")


def downgrade() -> None:
    op.create_table(
        "receivable_events",
        sa.Column("ledger_id", sa.Uuid(), nullable=False),
        sa.Column("receivable", columns.Hash32(), nullable=False),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        sa.Column("log_index", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("args", columns.Json, nullable=False),
        sa.Column("time", columns.UtcTime(), nullable=False),
        sa.Column("tx_hash", columns.Hash32(), nullable=False),
        sa.PrimaryKeyConstraint(
            "ledger_id", "receivable", "block_number", "log_index", name=op.f("pk_receivable_events")
        ),
    )
    op.execute(
        "INSERT INTO receivable_events "
        "(ledger_id, receivable, block_number, log_index, name, args, time, tx_hash) "
        "SELECT k.ledger_id, k.key, e.block_number, e.log_index, e.name, e.args, e.block_time, e.tx_hash "
        "FROM chain_event_keys k JOIN chain_events e ON e.ledger_id = k.ledger_id "
        "AND e.block_number = k.block_number AND e.log_index = k.log_index WHERE k.projection = 'receivables'"
    )
