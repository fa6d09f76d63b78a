"""Find the keys of an event, and events in their order

A grant of a scope asks of an event whether it names something. Without an index the database looked through
the keys of all events for it. Pages are in the order of time and of the log, and so are the indexes now:
events of one time were sorted for each page, and by record time nothing was found but by reading all.

Revision ID: 0014
Revises: 0013
"""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_epcis_keys_sequence", "epcis_keys", ["ledger_id", "sequence"])
    op.drop_index("ix_epcis_events_event_time", "epcis_events")
    op.create_index("ix_epcis_events_event_time", "epcis_events", ["ledger_id", "event_time", "sequence"])
    op.create_index("ix_epcis_events_record_time", "epcis_events", ["ledger_id", "record_time", "sequence"])


def downgrade() -> None:
    op.drop_index("ix_epcis_events_record_time", "epcis_events")
    op.drop_index("ix_epcis_events_event_time", "epcis_events")
    op.create_index("ix_epcis_events_event_time", "epcis_events", ["ledger_id", "event_time"])
    op.drop_index("ix_epcis_keys_sequence", "epcis_keys")
