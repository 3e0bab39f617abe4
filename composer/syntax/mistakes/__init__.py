"""What a recipe's text got wrong, put in words: one file a kind of mistake."""
