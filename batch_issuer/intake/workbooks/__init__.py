"""Excel workbooks (XLSX): what may go wrong with them is met before their cells are read."""
