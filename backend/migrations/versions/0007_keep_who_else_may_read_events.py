"""Keep who else may read events

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

from backend.kit import columns

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "epcis_grants",
        sa.Column("reader_id", sa.Uuid(), nullable=False),
        sa.Column("scope", sa.String(length=20), nullable=False),
        sa.Column("value", sa.String(length=255), nullable=False),
        sa.Column("expires_at", columns.UtcTime(), nullable=True),
        sa.Column("revoked_at", columns.UtcTime(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("ledger_id", sa.Uuid(), nullable=False),
        sa.Column("party_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", columns.UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_epcis_grants")),
    )
    op.create_index(op.f("ix_epcis_grants_ledger_id"), "epcis_grants", ["ledger_id"])
    op.create_index(op.f("ix_epcis_grants_party_id"), "epcis_grants", ["party_id"])
    op.create_index("ix_epcis_grants_reader", "epcis_grants", ["ledger_id", "reader_id"])


def downgrade() -> None:
    op.drop_table("epcis_grants")
