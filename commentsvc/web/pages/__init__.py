"""HTML for blog readers."""
