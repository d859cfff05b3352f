"""The shared words: ids, problems, requests, outcomes, exit codes; pure values and rules."""
