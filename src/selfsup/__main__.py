"""`python -m selfsup`, and with it `torchrun -m selfsup pretrain …`."""

from selfsup.cli import main

main()
