"""Seal what webhooks are signed with

What was written before stays readable as it lies until its owner's worker has sealed it (`kit/upkeep.py`).

Revision ID: 0009
Revises: 0008
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_SECRETS = (("webhooks", sa.String(80), False), ("epcis_subscriptions", sa.String(200), True))


def upgrade() -> None:
    for table, text, nullable in _SECRETS:
        _change(table, text, sa.LargeBinary(), nullable, "convert_to(secret, 'UTF8')")


def downgrade() -> None:
    """Works only while nothing was sealed: sealed secrets are no text."""
    for table, text, nullable in _SECRETS:
        _change(table, sa.LargeBinary(), text, nullable, "convert_from(secret, 'UTF8')")


def _change(
    table: str, old: sa.types.TypeEngine[Any], new: sa.types.TypeEngine[Any], nullable: bool, using: str
) -> None:
    with op.batch_alter_table(table) as batch_op:
        batch_op.alter_column(
            "secret", existing_type=old, type_=new, existing_nullable=nullable, postgresql_using=using
        )
