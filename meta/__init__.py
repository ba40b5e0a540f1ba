"""What is the data? Columns, datasets, timeframes, symbols and errors, as plain facts."""
