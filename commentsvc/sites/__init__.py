"""Sites: management, and the site and thread that a request means."""
