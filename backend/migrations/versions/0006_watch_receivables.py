"""Watch receivables, and keep what was found outside the ledger

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

from backend.kit import columns

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _owned(
        "verification_watches",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("receivable_id", sa.Uuid(), nullable=True),
        sa.UniqueConstraint(
            "party_id", "receivable_id", name=op.f("uq_verification_watches_party_id_receivable_id")
        ),
    )
    op.create_table(
        "verification_watched",
        sa.Column("watch_id", sa.Uuid(), nullable=False),
        sa.Column("receivable_id", sa.Uuid(), nullable=False),
        sa.Column("ledger_id", sa.Uuid(), nullable=False),
        sa.Column("next_at", columns.UtcTime(), nullable=False),
        sa.Column("seen", sa.String(64), nullable=True),
        sa.Column("made_at", columns.UtcTime(), nullable=True),
        sa.Column("block_hash", columns.Hash32(), nullable=True),
        sa.Column("outcomes", columns.Json, nullable=False),
        sa.Column("keys", columns.Json, nullable=False),
        sa.ForeignKeyConstraint(
            ["watch_id"],
            ["verification_watches.id"],
            name=op.f("fk_verification_watched_watch_id_verification_watches"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("watch_id", "receivable_id", name=op.f("pk_verification_watched")),
    )
    op.create_index("ix_verification_watched_due", "verification_watched", ["ledger_id", "next_at"])
    _owned(
        "party_screenings",
        sa.Column("subject_party_id", sa.Uuid(), nullable=False),
        sa.Column("screened_at", columns.UtcTime(), nullable=False),
        sa.Column("source", sa.String(200), nullable=False),
        sa.Column("for_all", sa.Boolean(), nullable=False),
    )
    op.create_index("ix_party_screenings_subject", "party_screenings", ["ledger_id", "subject_party_id"])
    _owned(
        "registry_searches",
        sa.Column("receivable_id", sa.Uuid(), nullable=False),
        sa.Column("register", sa.String(200), nullable=False),
        sa.Column("searched_at", columns.UtcTime(), nullable=False),
        sa.Column("hits", sa.Integer(), nullable=False),
        sa.Column("for_all", sa.Boolean(), nullable=False),
    )
    op.create_index("ix_registry_searches_receivable", "registry_searches", ["ledger_id", "receivable_id"])
    _owned(
        "pinned_debtor_keys",
        sa.Column("debtor_party_id", sa.Uuid(), nullable=False),
        sa.Column("key", columns.Hash32(), nullable=False),
        sa.Column("source", sa.String(200), nullable=False),
        sa.UniqueConstraint(
            "party_id",
            "debtor_party_id",
            "key",
            name=op.f("uq_pinned_debtor_keys_party_id_debtor_party_id_key"),
        ),
    )


def _owned(name: str, *others: sa.schema.SchemaItem) -> None:
    """A table whose rows belong to a party."""
    op.create_table(
        name,
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("ledger_id", sa.Uuid(), nullable=False),
        sa.Column("party_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", columns.UtcTime(), nullable=False),
        *others,
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{name}")),
    )
    for column in ("ledger_id", "party_id"):
        op.create_index(op.f(f"ix_{name}_{column}"), name, [column])


def downgrade() -> None:
    for name in (
        "pinned_debtor_keys",
        "registry_searches",
        "party_screenings",
        "verification_watched",
        "verification_watches",
    ):
        op.drop_table(name)
