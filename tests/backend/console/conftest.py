from tests.backend.verification.conftest import _code_of_the_world, app, contracts, deployment, market, scene

__all__ = ["_code_of_the_world", "app", "contracts", "deployment", "market", "scene"]
