"""Small programs for developers: lock files, generated documents."""
