"""What its tables are made by."""
