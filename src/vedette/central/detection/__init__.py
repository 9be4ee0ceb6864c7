"""What engines find in a batch of events, as people are to hear of it. Pure: a batch in, findings out."""
