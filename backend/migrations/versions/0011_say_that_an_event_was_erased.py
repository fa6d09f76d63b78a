"""Say that an event was erased

Revision ID: 0011
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "log_erasures",
        sa.Column("ledger_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("record", sa.BigInteger(), nullable=False),
        sa.Column("leaf", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("ledger_id", "sequence", name=op.f("pk_log_erasures")),
        sa.UniqueConstraint("ledger_id", "record", name=op.f("uq_log_erasures_ledger_id_record")),
    )
    op.create_table(
        "log_erased_keys",
        sa.Column("ledger_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.LargeBinary(length=32), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("ledger_id", "key", "sequence", name=op.f("pk_log_erased_keys")),
    )
    op.create_index("ix_log_erased_keys_sequence", "log_erased_keys", ["ledger_id", "sequence"])


def downgrade() -> None:
    """Works only while nothing was erased: the map could not be recomputed any more."""
    op.drop_table("log_erased_keys")
    op.drop_table("log_erasures")
