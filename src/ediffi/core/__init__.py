"""What every room uses: errors, files, pixels, pictures, and what rooms hand to each other."""
