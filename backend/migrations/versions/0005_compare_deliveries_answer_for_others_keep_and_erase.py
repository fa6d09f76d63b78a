"""Compare deliveries by quantity; let others answer; remind; keep and erase by schedule

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

from backend.kit import columns
from backend.kit.database import Json

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("invoice_tokens", sa.Column("delivery", sa.String(220), nullable=False, server_default=""))
    op.add_column("invoice_tokens", sa.Column("units", Json, nullable=False, server_default="{}"))
    op.add_column("invoice_answers", sa.Column("approved_for", sa.Uuid(), nullable=True))
    op.add_column("invoices", sa.Column("legal_hold", sa.String(500), nullable=True))
    op.add_column("invoices", sa.Column("reminders", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("invoices", sa.Column("reminded_at", columns.UtcTime(), nullable=True))
    op.create_table(
        "answer_deputies",
        sa.Column("absent_user_id", sa.Uuid(), nullable=False),
        sa.Column("deputy_user_id", sa.Uuid(), nullable=False),
        sa.Column("starts", sa.String(10), nullable=False),
        sa.Column("ends", sa.String(10), nullable=False),
        sa.Column("named_by", sa.Uuid(), nullable=False),
        sa.Column("ended_at", columns.UtcTime(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("ledger_id", sa.Uuid(), nullable=False),
        sa.Column("party_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", columns.UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_answer_deputies")),
    )
    for column in ("ledger_id", "party_id"):
        op.create_index(op.f(f"ix_answer_deputies_{column}"), "answer_deputies", [column])


def downgrade() -> None:
    op.drop_table("answer_deputies")
    for table, names in (
        ("invoices", ("reminded_at", "reminders", "legal_hold")),
        ("invoice_answers", ("approved_for",)),
        ("invoice_tokens", ("units", "delivery")),
    ):
        for name in names:
            op.drop_column(table, name)
