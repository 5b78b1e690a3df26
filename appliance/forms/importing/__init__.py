"""Import and export of records: files in, files out, and taking an import back."""
