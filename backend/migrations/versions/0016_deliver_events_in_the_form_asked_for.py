"""Deliver events in the form asked for, and find the kinds of events

A subscription remembers the form its subscriber asked for and from when on; those there were asked for none
and go on as they are. The kinds of events are found by an index, not by reading all events.

Revision ID: 0016
Revises: 0015
"""

import sqlalchemy as sa
from alembic import op

from backend.kit.columns import UtcTime

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("epcis_subscriptions", sa.Column("initial_record_time", UtcTime(), nullable=True))
    for name in ("epc_format", "cbv_format"):
        form = sa.Column(name, sa.String(30), nullable=False, server_default="No_Preference")
        op.add_column("epcis_subscriptions", form)
    op.create_index("ix_epcis_events_kind", "epcis_events", ["ledger_id", "kind", "sequence"])


def downgrade() -> None:
    op.drop_index("ix_epcis_events_kind", "epcis_events")
    for name in ("cbv_format", "epc_format", "initial_record_time"):
        op.drop_column("epcis_subscriptions", name)
