"""The text of every mail, as plain text and HTML, in the language of its recipient."""
