"""The running line: a file from a watch becomes facts, a letter and advice."""
