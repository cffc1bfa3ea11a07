"""The bookmarks line: what is made of the pages that people save."""
