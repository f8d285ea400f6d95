"""What any collection of pictures needs: readers, import, shards, degradations, encodings."""
