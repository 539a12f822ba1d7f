"""Load on a server: requests on a schedule, what came back and when, and a server of known delays to check both."""
