"""How things lie on a disk: written whole or not at all, locked, sealed, hashed, found again."""
