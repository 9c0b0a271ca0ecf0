"""What a proof leaves: the page, the matrix, the record of what it was made of."""
