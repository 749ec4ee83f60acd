"""Features of images that no training changes: of frozen networks, and made by hand."""
