"""The commands of the command line, a file for each group of them: parse, call one function, print. Nothing heavy is imported early."""
