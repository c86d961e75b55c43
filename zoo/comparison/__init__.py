"""What a speech tokenizer keeps and what it costs: figures of its units, each with an interval."""
