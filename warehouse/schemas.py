"""Every table of the warehouse, every column documented.

A table is a set of Parquet files of one schema; files join a table by the name under which the
stage wrote them. ``c2m sql`` lists this page as its help and the README quotes it.
"""

from warehouse.corpus_tables import CORPUS_TABLES
from warehouse.evaluation_tables import EVALUATION_TABLES
from warehouse.table import Table
from warehouse.training_tables import TRAINING_TABLES

TABLES: dict[str, Table] = {
    table.name: table for table in (*CORPUS_TABLES, *TRAINING_TABLES, *EVALUATION_TABLES)
}
