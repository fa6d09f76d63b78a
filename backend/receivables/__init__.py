"""The life of a receivable: issue, confirmation, title, splits, payment, redemption."""
