"""What can go wrong in the warehouse, as a tree.

WarehouseError
├── StoreError          the store cannot be used as it is (also a ValueError)
│   └── DiskFullError   no room left for what has to be written
├── CorruptArtifactError   files differ from their manifest
├── AccountingError     rows in differ from rows kept plus rows rejected
├── SchemaError         a Parquet file does not have its table's columns
├── UnknownArtifactError   no artifact has this name or key (also a KeyError)
├── QueryError          a SQL question that cannot be answered (also a ValueError)
└── ResolutionError     no set of artifacts satisfies the recipe (also a ValueError)

Messages have three parts: what was found, what was expected, what to do.
"""


class WarehouseError(Exception):
    """Base of every error that the warehouse raises on purpose."""


class StoreError(WarehouseError, ValueError):
    """The store cannot be used as it is."""


class DiskFullError(StoreError):
    """No room is left for what has to be written."""


class CorruptArtifactError(WarehouseError):
    """The files of an artifact differ from its manifest."""


class AccountingError(WarehouseError):
    """Rows in differ from rows kept plus rows rejected."""


class SchemaError(WarehouseError):
    """A Parquet file does not have the columns of its table."""


class UnknownArtifactError(WarehouseError, KeyError):
    """No artifact has this name or key."""

    def __str__(self) -> str:
        """Show the message as it is: KeyError would quote it."""
        return str(self.args[0]) if self.args else ""


class QueryError(WarehouseError, ValueError):
    """A SQL question that cannot be answered."""


class ResolutionError(WarehouseError, ValueError):
    """No set of artifacts satisfies the recipe."""
