"""What Strongroom does, one verb a file."""
