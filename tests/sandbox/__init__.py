"""The sandbox, held to the contract."""
