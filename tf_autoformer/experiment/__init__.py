"""What a supernet is made with, its working folder, and its weights."""
