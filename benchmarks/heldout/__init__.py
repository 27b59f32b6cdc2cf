"""How well networks and counts predict held-out text: every figure of chapters 18 to 20, measured.

store          the results, each beside its settings, in data/heldout.json
splits         the texts, cut into a part to learn and one that is held out
networks       training, measuring and writing, for the studies
songci         RNN, GRU, LSTM and Kneser-Ney on 1.77 million characters
songci_best    half an hour of an LSTM there, and its mixture with counts
songci_curves  all of them on parts of that text
lyrics         the 2018-05 lyrics, nothing learnt while reading
ablation       the same, with one step of the recipe left out at a time
adaptive       the same, learning while reading
timemachine    The Time Machine, in bits per character
small_text     `--recipe small-text` beside the default settings on our own lyrics
"""
