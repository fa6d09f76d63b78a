"""Widen numbers that come from the chain

A uint32 does not fit PostgreSQL's INTEGER, nor does every chain's id.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_WIDER = (("settlement_currencies", "number"), ("fingerprint_key_sets", "key_set"), ("ledgers", "chain_id"))


def upgrade() -> None:
    _change(sa.Integer(), sa.BigInteger())


def downgrade() -> None:
    _change(sa.BigInteger(), sa.Integer())


def _change(old: sa.types.TypeEngine[int], new: sa.types.TypeEngine[int]) -> None:
    if op.get_bind().dialect.name == "sqlite":
        return  # an INTEGER of SQLite's has 64 bits
    for table, column in _WIDER:
        op.alter_column(table, column, existing_type=old, type_=new, existing_nullable=False)
