"""Messages that leave: the outbox, and the senders that carry them."""
