"""The one reader of tables: CSV, TSV, JSON lines, JSON lists, Parquet and Excel workbooks to rows.

Tables of images, captions, labels and predictions are all read here: the format is detected, text decoded, the columns
found, and each row that cannot be read comes out with the reason, so that a caller can report all of them at once.
"""

from imagist.images.tables.opening import is_json, is_json_lines, is_parquet, is_table, open_table
from imagist.images.tables.table import Table, TableRow

__all__ = ["Table", "TableRow", "is_json", "is_json_lines", "is_parquet", "is_table", "open_table"]
