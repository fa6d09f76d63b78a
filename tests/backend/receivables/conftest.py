from tests.backend.market import app, contracts, deployment, market

__all__ = ["app", "contracts", "deployment", "market"]
