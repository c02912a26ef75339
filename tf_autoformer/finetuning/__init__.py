"""One subnet with weights of its own: fine-tuned, or trained from scratch."""
