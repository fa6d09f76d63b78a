"""Find equal tokens of invoices in order

Of many invoices with the same token the oldest are read, from an index that ends in the id.

Revision ID: 0013
Revises: 0012
"""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("invoice_tokens") as batch_op:
        batch_op.drop_index("ix_invoice_tokens_value")
        batch_op.create_index("ix_invoice_tokens_value", ["ledger_id", "value", "id"])


def downgrade() -> None:
    with op.batch_alter_table("invoice_tokens") as batch_op:
        batch_op.drop_index("ix_invoice_tokens_value")
        batch_op.create_index("ix_invoice_tokens_value", ["ledger_id", "value"])
