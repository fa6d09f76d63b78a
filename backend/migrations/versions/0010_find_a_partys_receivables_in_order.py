"""Find a party's receivables in order

Pages of what a party supplied or owes are read from an index that ends in the id.

Revision ID: 0010
Revises: 0009
"""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("receivables") as batch_op:
        batch_op.create_index("ix_receivables_supplier", ["ledger_id", "party_id", "id"])
        batch_op.create_index("ix_receivables_debtor", ["ledger_id", "debtor_party_id", "id"])


def downgrade() -> None:
    with op.batch_alter_table("receivables") as batch_op:
        batch_op.drop_index("ix_receivables_debtor")
        batch_op.drop_index("ix_receivables_supplier")
