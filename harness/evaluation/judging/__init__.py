"""What judges and taggers say about answers, asked once and kept."""
