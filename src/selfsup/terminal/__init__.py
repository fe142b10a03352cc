"""What the commands print: tables on the terminal, plain text without colours where the output is no terminal."""
