"""How an answer is read out of a text: numbers, choices, lists, parts of JSON and code."""
