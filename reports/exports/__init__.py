"""What do people take away? Tables of one symbol, in files with a page that says what they are."""
