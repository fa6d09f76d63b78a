"""Seal what events say

What was written before stays readable as it lies; what is written from now on is sealed (`kit.sealing`).

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("epcis_events") as batch_op:
        batch_op.alter_column(
            "body",
            existing_type=sa.Text(),
            type_=sa.LargeBinary(),
            existing_nullable=True,
            postgresql_using="convert_to(body, 'UTF8')",
        )


def downgrade() -> None:
    """Works only while nothing was sealed: sealed bodies are no text."""
    with op.batch_alter_table("epcis_events") as batch_op:
        batch_op.alter_column(
            "body",
            existing_type=sa.LargeBinary(),
            type_=sa.Text(),
            existing_nullable=True,
            postgresql_using="convert_from(body, 'UTF8')",
        )
