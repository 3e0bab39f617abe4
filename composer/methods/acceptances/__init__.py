"""What decides, answer by answer, whether a cascade accepts or asks another stage."""
