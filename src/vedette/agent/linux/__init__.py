"""The Linux endpoint: what it observes and how it names what it sees."""
