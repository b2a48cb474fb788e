"""The words of the service and their rules: models, errors, fields, text, URLs, time. No I/O."""
