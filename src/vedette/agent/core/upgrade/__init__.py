"""The agent replaces itself: fetch a signed release, unpack it, try it, keep it or go back."""
